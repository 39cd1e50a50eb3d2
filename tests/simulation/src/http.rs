//! HTTP on a simulated host: what listens there answers, by its system's model. A request of a job that
//! changes something is a run of a changing tool: it is counted, and has the same troubles.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bellows_agent::{
    host::{
        HttpError, HttpReply, HttpRequest,
        http::{Cause, refuse_foreign},
    },
    tools::JOB_MARK,
};

use super::{
    faults::Trouble,
    host::SimHost,
    machine::Machine,
    process::{Birth, Kind},
    tools::{Call, HttpCall},
    world::{World, command},
};

/// What the model says.
type Said = Result<HttpReply, HttpError>;

impl SimHost {
    pub(super) async fn exchange(&self, request: HttpRequest) -> Said {
        self.me.frozen_if_dead().await;
        refuse_foreign(self, &request)?;
        if !listens(&self.machine, &request) {
            return Err(request.failed(Cause::Refused));
        }
        let deadline = request.deadline;
        let late = request.failed(Cause::Deadline(deadline));
        tokio::select! {
            biased;
            () = self.me.died() => std::future::pending().await,
            reply = self.answered(request) => reply,
            () = self.machine.sleep(deadline) => Err(late),
        }
    }

    async fn answered(&self, request: HttpRequest) -> Said {
        let world = self.machine.world();
        world.tell(|| format!("{} {}", self.machine.name, request.command().join(" ")));
        let call = HttpCall { request, machine: Arc::clone(&self.machine) };
        if !call.request.method.changes() {
            return world.tools.http(call).await;
        }
        let run = self.as_run(&call);
        world.tool_begins(&run);
        let job = run.environment.get(JOB_MARK).cloned().unwrap_or_default();
        let trouble = world.next_tool(&|| format!("{}: {}", self.machine.name, run.name()));
        let reply = troubled(&world, &run, call, trouble).await;
        self.machine.exited(run.process.id);
        if trouble.is_none() && is_good(&reply) && world.tools.is_whole(&run) {
            world.tool_works(&job);
        }
        reply
    }

    /// The request as a run of a tool, with a process of its own while it lasts.
    fn as_run(&self, call: &HttpCall) -> Call {
        let words = call.request.command();
        let (program, arguments) = words.split_first().map_or_else(
            || (String::new(), Vec::new()),
            |(first, rest)| (first.clone(), rest.to_vec()),
        );
        let environment = self.me.birth.environment.clone();
        let birth = Birth {
            environment: environment.clone(),
            parent: Some(self.me.id),
            command: words,
            user: String::new(),
        };
        Call {
            program: program.into(),
            arguments,
            stdin: call.request.body.clone(),
            environment,
            user: String::new(),
            machine: Arc::clone(&self.machine),
            process: self.machine.spawn(Kind::Tool, birth),
        }
    }
}

/// Whether something listens at the address and port of a request.
fn listens(machine: &Machine, request: &HttpRequest) -> bool {
    let (ip, port) = (request.address.ip().to_canonical(), request.address.port());
    machine
        .world()
        .tools
        .listening(machine)
        .into_iter()
        .any(|(address, at)| at == port && (address.is_unspecified() || IpAddr::V4(address) == ip))
}

fn is_good(reply: &Said) -> bool {
    reply.as_ref().is_ok_and(|reply| (200..300).contains(&reply.status))
}

async fn troubled(world: &World, run: &Call, call: HttpCall, trouble: Option<Trouble>) -> Said {
    let failed = Ok(HttpReply { status: 500, body: b"simulated trouble".to_vec() });
    match trouble {
        None => effect(world, run, call).await,
        Some(Trouble::Fails) => failed,
        Some(Trouble::Lies) => {
            world.tool_lies(run);
            Ok(HttpReply { status: 200, body: Vec::new() })
        }
        Some(Trouble::Hangs) => std::future::pending().await,
        Some(Trouble::FailsAfterEffect) => {
            // Whatever it says.
            let _ = effect(world, run, call).await;
            failed
        }
        Some(Trouble::Rubbish) => {
            let reply = effect(world, run, call).await?;
            Ok(HttpReply { body: b"\xff\xfe rubbish".to_vec(), ..reply })
        }
        Some(Trouble::Twice) => {
            world.tool_runs_twice(run);
            let _ = effect(world, run, call.clone()).await;
            effect(world, run, call).await
        }
        Some(Trouble::Killed) => {
            let reset = call.request.failed(Cause::Connection("connection reset".to_owned()));
            let machine = Arc::clone(&call.machine);
            let cut = machine.sleep(Duration::from_millis(world.below(400)));
            // The connection is cut; the server goes on with what it was asked for, or never heard it.
            tokio::select! {
                biased;
                () = cut => Err(reset),
                reply = effect(world, run, call) => reply,
            }
        }
    }
}

async fn effect(world: &World, run: &Call, call: HttpCall) -> Said {
    let reply = world.tools.http(call).await;
    if let Some(job) = run.environment.get(JOB_MARK).filter(|_| is_good(&reply)) {
        world.tool_has_its_effect(job, &command(run));
    }
    reply
}
