//! Options of a verb, as they are typed: `--option key=value`.

use bellows_proto::v1::KeyValue;

/// Sets options one after the other. `known`: the keys of this verb; `set` takes key and value.
///
/// # Errors
/// All mistakes at once, one sentence each, naming the known keys.
pub fn typed(
    (system, verb): (&str, &str),
    known: &[&str],
    options: &[KeyValue],
    mut set: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Vec<String>> {
    let mut mistakes = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for KeyValue { key, value } in options {
        let key = key.as_str();
        if seen.contains(&key) {
            mistakes.push(format!("{key} is given twice"));
        }
        seen.push(key);
        let done = match known {
            [] => Err(format!("{key} is no option of {verb}, which has none for {system}")),
            known if known.contains(&key) => set(key, value),
            known => Err(format!("{key} is no option of {verb}; known: {}", known.join(", "))),
        };
        mistakes.extend(done.err());
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// A whole number.
///
/// # Errors
/// It is none, or beyond these.
pub fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    match value.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(format!("{key}={value}: a whole number from {least} to {most} is wanted"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_come_at_once() {
        let one = |key: &str, value: &str| KeyValue { key: key.into(), value: value.into() };
        let given = [one("port", "1"), one("colour", "red"), one("port", "5432")];
        let of_expand = ("kwdb", "expand");
        let mut port = 0;
        let said = typed(of_expand, &["port"], &given, |key, value| {
            port = number(key, value, 1024, 65_535)?;
            Ok(())
        });
        let wanted = [
            "port=1: a whole number from 1024 to 65535 is wanted",
            "colour is no option of expand; known: port",
            "port is given twice",
        ];
        assert_eq!((said.unwrap_err(), port), (wanted.map(str::to_owned).to_vec(), 5432));
        let said = typed(of_expand, &[], &given[..1], |_, _| Ok(())).unwrap_err();
        assert_eq!(said, ["port is no option of expand, which has none for kwdb"]);
    }
}
