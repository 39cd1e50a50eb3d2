//! `bellows recover`: asks the agents, shows what they keep, asks, and makes the store.

use std::collections::BTreeMap;

use bellows_proto::{fault::chain, names::HostName};

use crate::{
    cli::{
        Context, agree,
        exit::{Exit, Failure},
        render,
    },
    serve::recover::{RecoverError, Recovery},
};

/// Arguments of `bellows recover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask the agents: from them come hosts, the last specs, and open operations, held
    #[arg(long, required = true)]
    from_agents: bool,
    /// A host and where its agent listens; name all hosts of the site
    #[arg(
        long = "host",
        value_name = "NAME=HOST:PORT",
        required = true,
        num_args = 1..,
        value_parser = host_at
    )]
    hosts: Vec<(String, String)>,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let mut hosts = BTreeMap::new();
    for (host, address) in args.hosts {
        if hosts.insert(host.clone(), address).is_some() {
            return Err(Failure::usage(
                format!("host {host} is named twice"),
                "give each host once, with the address of its agent",
            ));
        }
    }
    let site = context.global.site_folder();
    let recovery = Recovery::ask(&site, &hosts).await.map_err(|e| failure(&e))?;
    if !args.yes {
        let mut page = context.out.note_page();
        render::recover::found(&mut page, recovery.found());
        let what = "Make the store from this? Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to make the store")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let found = recovery.found().clone();
    let store_id = recovery.write().map_err(|e| super::store::offline(&e))?;
    if context.out.is_json() {
        context.out.json(&render::recover::json(&found, &store_id))?;
    } else {
        let mut page = context.out.page();
        if args.yes {
            render::recover::found(&mut page, &found);
        }
        render::recover::made(&mut page, &store_id);
        context.out.show(page)?;
    }
    context.out.say(
        "What no agent keeps is not in it: every open operation is held and can only be \
         abandoned. Make sure that no other coordinator of this site runs, then start with: \
         bellows serve --take-over",
    );
    Ok(Exit::AsAsked)
}

fn failure(error: &RecoverError) -> Failure {
    match error {
        RecoverError::Serve(error) => super::store::offline(error),
        RecoverError::Host { fault, .. } if !fault.remedy.is_empty() => {
            Failure::new(Exit::BeforeFirstAct, chain(error), fault.remedy.clone())
        }
        RecoverError::Host { .. } | RecoverError::Tls { .. } => Failure::new(
            Exit::BeforeFirstAct,
            chain(error),
            "check its address and its agent; without it, leave its --host out: what only that \
             host keeps is not recovered then",
        ),
        RecoverError::Contradiction(_) => Failure::new(
            Exit::Refused,
            chain(error),
            "look at the hosts that are named; leave out the --host that is wrong",
        ),
    }
}

/// `NAME=HOST:PORT`.
fn host_at(text: &str) -> Result<(String, String), String> {
    let form = "use the form NAME=HOST:PORT, e.g. db1=10.0.0.1:7420";
    let (name, address) = text.split_once('=').ok_or(form)?;
    let name: HostName = name.parse().map_err(|e| format!("{e}"))?;
    let parsed: http::uri::Authority = address.parse().map_err(|_| form)?;
    let plain = parsed.port_u16().is_some_and(|port| port != 0)
        && !parsed.host().is_empty()
        && !address.contains('@');
    if plain { Ok((name.to_string(), address.to_owned())) } else { Err(form.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_and_an_address() {
        let pair = ("db1".to_owned(), "10.0.0.1:7420".to_owned());
        assert_eq!(host_at("db1=10.0.0.1:7420"), Ok(pair));
        for bad in ["db1", "db1=", "=h:1", "db1=h", "db1=h:0", "db1=a@h:1", "DB=h:1"] {
            assert!(host_at(bad).is_err(), "{bad}");
        }
    }
}
