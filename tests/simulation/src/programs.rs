//! The agent's own programs on a simulated host: the agent itself, the shim, `service`. The code is
//! the real one; only `main` is ours.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bellows_agent::{
    config::{self, Config, LaunchForm},
    facilities::{Local, services},
    jobs::{Jobs, ShimProgram, shim, store::JobDir},
    surveys::Surveys,
    tools::{self, QueryContext},
};
use bellows_proto::v1::{Fault, ServiceState};
use camino::Utf8Path;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    host::{SimClock, SimHost},
    machine::Machine,
    process::{Birth, Kind, Process},
    tools::{Call, Ending, Standing, Tools},
};

/// A service that died is started again after so long.
const SERVICE_RESTART: Duration = Duration::from_secs(5);
/// A service that does not start in so many tries needs more than patience.
const START_TRIES: u32 = 5;
/// As the real program has it.
const BURIAL: Duration = Duration::from_secs(300);
/// The path of `bellows-agent`.
pub const OWN_PROGRAM: &str = "/usr/bin/bellows-agent";
/// The path of its configuration.
pub const CONFIG: &str = "/etc/bellows/agent.toml";

/// What was made of each configuration: a run starts hundreds of processes with the same few.
static READ: Mutex<BTreeMap<Vec<u8>, Arc<Config>>> = Mutex::new(BTreeMap::new());

/// The host as a process of ours sees it, with the configuration that lies on its disk.
///
/// # Panics
/// If the run's configuration has mistakes: a bug of the simulation.
#[allow(clippy::expect_used)]
pub fn local(machine: &Arc<Machine>, me: &Arc<Process>) -> Local {
    let path = Utf8Path::new(CONFIG);
    let bytes = machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec)).unwrap_or_default();
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let config = read.entry(bytes).or_insert_with_key(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        Arc::new(config::parse(path, &text).expect("a good agent.toml"))
    });
    Local {
        host: Arc::new(SimHost { machine: Arc::clone(machine), me: Arc::clone(me) }),
        clock: Arc::new(SimClock { world: machine.world(), me: Arc::clone(me) }),
        config: Arc::clone(config),
        form: LaunchForm::Process,
        own_program: OWN_PROGRAM.into(),
        versions: Arc::default(),
        sudo: Arc::default(),
    }
}

/// An agent that runs.
#[derive(Clone)]
pub struct Agent {
    /// Its process.
    pub process: Arc<Process>,
    /// As its tools see the host.
    pub local: Local,
    /// Its jobs.
    pub jobs: Jobs,
    /// What it answers to queries.
    pub surveys: Surveys,
}

/// `bellows-agent run`, up to where it serves.
///
/// # Errors
/// If its records cannot be read, or it died before it served.
pub async fn agent(machine: &Arc<Machine>, process: Arc<Process>) -> Result<Agent, Fault> {
    let local = local(machine, &process);
    let shim = ShimProgram::own(&local);
    let jobs = Jobs::open(local.clone(), shim)?;
    let context = QueryContext::unhurried(local.clone(), BURIAL);
    tools::host::enforce(&context).await;
    let surveys = Surveys::new(local.clone());
    Ok(Agent { process, local, jobs, surveys })
}

/// What an administrator does after a reboot where there is no systemd: starts the services that
/// ran, until all of them run (one may need another).
pub async fn start_services(machine: &Arc<Machine>) {
    let mut tries = 0;
    while tries < START_TRIES {
        // A full disk is no reason to give up: it has space again.
        tries += u32::from(!machine.world().is_full(&machine.name));
        // A process for each try: what is killed is typed again.
        let me = machine.spawn(Kind::Tool, Birth::default());
        let local = local(machine, &me);
        let failed = failed_services(machine, &local).await;
        for name in &failed {
            if let Err(fault) = services::start_process(&local, name).await {
                machine.world().tell(|| format!("the administrator cannot start {name}: {fault}"));
            }
        }
        let all_run = failed.is_empty() && me.is_alive();
        machine.exited(me.id);
        if all_run {
            break;
        }
        machine.sleep(Duration::from_secs(2)).await;
    }
}

/// The leading node's program dies; what starts services starts it again.
pub async fn crash(tools: Arc<dyn Tools>) {
    let Some(machine) = tools.crash() else { return };
    machine.world().tell(|| format!("crash at {}", machine.name));
    machine.sleep(SERVICE_RESTART).await;
    if !machine.is_off() {
        start_standing(&machine);
        start_services(&machine).await;
    }
}

/// Services that were started and do not run.
async fn failed_services(machine: &Arc<Machine>, local: &Local) -> Vec<String> {
    let folder = local.config.agent.data_dir.join("services");
    let mut failed = Vec::new();
    for name in machine.disk(|disk| disk.list(&folder)) {
        let context = QueryContext::unhurried(local.clone(), BURIAL);
        let reading = services(&context).reading(&name).await;
        if reading.is_ok_and(|reading| reading.state() == ServiceState::Failed) {
            failed.push(name);
        }
    }
    failed
}

/// A process that is detached goes its way, until its end.
pub(super) fn launch(call: Call) {
    let (machine, own) = (Arc::clone(&call.machine), Arc::clone(&call.process));
    let work = async move {
        match call.process.kind {
            Kind::Shim => shim(call).await,
            Kind::Coordinator | Kind::Agent | Kind::Tool | Kind::Service => {
                let tools = Arc::clone(&call.machine.world().tools);
                tools.serve(call).await;
            }
        }
    };
    tokio::spawn(async move {
        own.live(work).await;
        machine.exited(own.id);
    });
}

/// Starts what somebody else runs on a host and does not run now. It is not started where an agent
/// remembers services: whoever stopped it there has its reason.
pub fn start_standing(machine: &Arc<Machine>) {
    let folder = Utf8Path::new(super::site::STATE).join("services");
    if machine.disk(|disk| !disk.list(&folder).is_empty()) {
        return;
    }
    for standing in machine.world().tools.standing(machine) {
        let Standing { program, arguments, user } = standing;
        let mut command = vec![program.to_string()];
        command.extend(arguments.iter().cloned());
        if machine.processes().iter().any(|process| process.birth.command == command) {
            continue;
        }
        let birth = Birth { command, user: user.to_owned(), ..Birth::default() };
        launch(Call {
            program,
            arguments,
            stdin: Vec::new(),
            environment: BTreeMap::new(),
            user: user.to_owned(),
            machine: Arc::clone(machine),
            process: machine.spawn(Kind::Service, birth),
        });
    }
}

/// `bellows-agent shim --job DIR`.
async fn shim(call: Call) {
    let local = local(&call.machine, &call.process);
    let folder = call.arguments.iter().skip_while(|word| *word != "--job").nth(1);
    let Some(folder) = folder.cloned() else { return };
    let perform: shim::Perform = |action, context| tools::perform(action, context).boxed();
    let done = shim::run(local, JobDir::at(folder), CancellationToken::new(), perform).await;
    if let Err(fault) = done {
        call.machine.world().tell(|| format!("a shim ended badly: {fault}"));
    }
}

/// `bellows-agent service VERB NAME`.
pub(super) async fn service(call: Call) -> Ending {
    let local = local(&call.machine, &call.process);
    let words: Vec<_> = call.arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["service", "start", name, ..] => services::start_process(&local, name).await,
        ["service", "stop", name, ..] => services::stop_process(&local, name).await,
        _ => return Ending::bad(2, "unknown command\n"),
    };
    match done {
        Ok(()) => Ending::good(""),
        Err(fault) => Ending::bad(1, format!("{fault}\n")),
    }
}
