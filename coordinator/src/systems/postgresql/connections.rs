//! How clients reach a cluster: connection strings to all members, of which the client finds the
//! primary itself, and to what stands in front. Never a password, never a user.

use bellows_proto::v1::{ConnectionString, Plan, PostgresqlFrontReading, Spec};

use super::{
    draft::{self, Placed, placed},
    view,
};
use crate::spec::{self, Next};

/// Stands for the client's own database.
const DATABASE: &str = "DATABASE";

/// Of a cluster as it is.
pub(super) fn of(spec: &Spec, fronts: &[PostgresqlFrontReading]) -> Vec<ConnectionString> {
    let members: Vec<Placed> = spec.nodes.iter().filter_map(placed).collect();
    let members = draft::in_order(members.iter());
    if members.is_empty() {
        return Vec::new();
    }
    let places: Vec<String> =
        members.iter().map(|one| place(&one.place.address, one.place.port)).collect();
    let places = places.join(",");
    let mut all = vec![
        string(
            "libpq",
            format!("postgresql://{places}/{DATABASE}?target_session_attrs=read-write"),
        ),
        string("JDBC", format!("jdbc:postgresql://{places}/{DATABASE}?targetServerType=primary")),
    ];
    for reading in fronts {
        let Ok(front) = view::front(reading) else { continue };
        let through = format!("through {} on {}", reading.front, reading.host);
        let place = place(&front.address, front.port);
        all.push(string(&format!("libpq {through}"), format!("postgresql://{place}/{DATABASE}")));
        all.push(string(
            &format!("JDBC {through}"),
            format!("jdbc:postgresql://{place}/{DATABASE}"),
        ));
    }
    all
}

/// Of a cluster as it will be.
pub(super) fn after(
    spec: &Spec,
    plan: &Plan,
    fronts: &[PostgresqlFrontReading],
) -> Vec<ConnectionString> {
    let mut end = spec.clone();
    for change in plan.steps.iter().filter_map(|step| step.spec_change.as_ref()) {
        // One that does not fit is found when it is applied.
        if let Ok(Next::Spec(next)) = spec::apply(&end, change, "") {
            end = next;
        }
    }
    of(&end, fronts)
}

fn string(what: &str, text: String) -> ConnectionString {
    ConnectionString { what: what.to_owned(), text }
}

/// "10.0.0.1:5432", "[fd00::1]:5432".
fn place(address: &str, port: u32) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn an_address_of_ipv6_stands_in_brackets() {
        assert_eq!(place("10.0.0.1", 5432), "10.0.0.1:5432");
        assert_eq!(place("fd00::1", 5433), "[fd00::1]:5433");
    }
}
