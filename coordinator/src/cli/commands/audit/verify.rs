//! `bellows audit verify`.

use bellows_proto::v1::{AuditVerdict, VerifyAuditReply, VerifyAuditRequest};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows audit verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only against the log of this host; may be given several times
    #[arg(long)]
    host: Vec<String>,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = VerifyAuditRequest { hosts: args.host };
    let reply = client.answer(client.api.clone().verify_audit(request)).await?;
    context.out.data(&reply, render::audit::verification)?;
    Ok(exit(&reply))
}

fn exit(reply: &VerifyAuditReply) -> Exit {
    let any = |verdict| reply.findings.iter().any(|found| found.verdict() == verdict);
    if any(AuditVerdict::Damage) || any(AuditVerdict::Unspecified) {
        Exit::Damaged
    } else if any(AuditVerdict::Unknown) {
        Exit::NotVerified
    } else {
        Exit::AsAsked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::AuditFinding;

    #[test]
    fn what_could_not_be_read_is_not_verified_and_damage_goes_before() {
        let with = |verdicts: &[AuditVerdict]| {
            let found = |verdict: &AuditVerdict| AuditFinding {
                verdict: (*verdict).into(),
                ..AuditFinding::default()
            };
            let findings = verdicts.iter().map(found).collect();
            exit(&VerifyAuditReply { findings, ..VerifyAuditReply::default() })
        };
        use AuditVerdict::{Damage, NotCheckable, Note, Unknown};
        assert_eq!(with(&[]), Exit::AsAsked);
        assert_eq!(with(&[Note, NotCheckable]), Exit::AsAsked);
        assert_eq!(with(&[Note, Unknown]), Exit::NotVerified);
        assert_eq!(with(&[Unknown, Damage]), Exit::Damaged);
    }
}
