//! Autorecovery: what makes copies anew without anybody's doing. Whether it is on, who audits, and who would go
//! on copying when some bookies are gone.

use super::view::{View, reading, setting};

/// The metadata service answers within so many milliseconds, or moving ledgers would only make it slower.
const METADATA_MS: u64 = 3000;

/// Whether it is on, as all see it who were asked.
pub(super) fn is(view: View<'_>) -> Result<bool, String> {
    let mut one: Option<(&str, bool)> = None;
    for witness in view.witnesses()? {
        let on = witness.cluster.autorecovery;
        match one {
            Some((first, known)) if known != on => {
                return Err(format!(
                    "{first} and {} do not agree whether autorecovery is on",
                    witness.node
                ));
            }
            Some(_) => {}
            None => one = Some((witness.node, on)),
        }
    }
    one.map(|(_, on)| on).ok_or_else(|| "nobody tells whether autorecovery is on".to_owned())
}

/// That it is not as it is wanted, in words.
pub(super) fn differs(is: bool, wanted: bool) -> Option<String> {
    let word = if is { "on" } else { "off" };
    (is != wanted).then(|| format!("autorecovery is {word}"))
}

/// The node that audits, with its host.
///
/// # Errors
/// If none is elected, members do not agree, or it is no bookie of the cluster.
pub(super) fn auditor(view: View<'_>) -> Result<(String, String), String> {
    let mut one: Option<(&str, &str)> = None;
    for witness in view.witnesses()? {
        let auditor = witness.cluster.auditor.as_str();
        if auditor.is_empty() {
            return Err(format!("{} knows no auditor: none is elected", witness.node));
        }
        match one {
            Some((first, known)) if known != auditor => {
                return Err(format!(
                    "for {first} the auditor is {known}, for {} it is {auditor}",
                    witness.node
                ));
            }
            Some(_) => {}
            None => one = Some((witness.node, auditor)),
        }
    }
    let (_, auditor) = one.ok_or_else(|| "nobody tells who audits".to_owned())?;
    let member = view.node_of(auditor);
    let member =
        member.ok_or_else(|| format!("the auditor {auditor} is no bookie of the cluster"))?;
    Ok((member.node.clone(), member.host.clone()))
}

/// It is on, somebody audits, and some member but these has its daemon. What was seen; inner error: what is in the
/// way; outer error: something was not read.
pub(super) fn judge(view: View<'_>, without: &[String]) -> Result<Result<String, String>, String> {
    if !is(view)? {
        return Ok(Err("autorecovery is off".to_owned()));
    }
    let auditor = match auditor(view) {
        Ok((node, _)) => node,
        Err(why) => return Ok(Err(why)),
    };
    let mut daemons = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        // Absent: the tool's default, which is false.
        let daemon = setting(reading(member)?, "autoRecoveryDaemonEnabled");
        if daemon.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            daemons.push(member.node.as_str());
        }
    }
    Ok(match daemons.as_slice() {
        [] => Err("no bookie that stays has autoRecoveryDaemonEnabled=true".to_owned()),
        daemons => Ok(format!("autorecovery is on, {auditor} audits, {} copy", daemons.join(", "))),
    })
}

/// How long the metadata service takes, at the slowest. Inner error: too long.
pub(super) fn metadata_fast(view: View<'_>) -> Result<Result<String, String>, String> {
    let mut slowest = (0, "");
    for witness in view.witnesses()? {
        slowest = slowest.max((witness.cluster.metadata_ms, witness.node));
    }
    let (took, node) = slowest;
    let text = format!("{took} ms at the slowest, limit {METADATA_MS} ms");
    Ok(match took > METADATA_MS {
        true => Err(format!("the metadata service is slow: {text} ({node})")),
        false => Ok(text),
    })
}
