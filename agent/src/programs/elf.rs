//! The head of a program: for which machine it is. Held against that of the running one.

/// Bytes that are needed.
pub(super) const HEAD: usize = 20;

/// Why a program is not for the machine of another one, both by their first [`HEAD`] bytes; `None`: it is.
pub(super) fn mismatch(program: &[u8], ours: &[u8]) -> Option<String> {
    let (Some(theirs), Some(ours)) = (Machine::of(program), Machine::of(ours)) else {
        return Some("it is no program (ELF)".to_owned());
    };
    (theirs != ours).then(|| format!("it is for {theirs}, this host is {ours}"))
}

/// Class (32 or 64 bits), order of bytes, machine.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    class: u8,
    order: u8,
    machine: u16,
}

impl Machine {
    fn of(head: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD] = head.first_chunk()?;
        let [0x7f, b'E', b'L', b'F', class, order, .., low, high] = *head else { return None };
        let machine = match order {
            1 => u16::from_le_bytes([low, high]),
            2 => u16::from_be_bytes([low, high]),
            _ => return None,
        };
        Some(Self { class, order, machine })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.class, self.machine) {
            (2, 62) => f.write_str("x86_64"),
            (2, 183) => f.write_str("aarch64"),
            (2, 258) => f.write_str("loongarch64"),
            (class, machine) => write!(f, "machine {machine} of class {class}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(class: u8, machine: u8) -> Vec<u8> {
        let mut head = vec![0x7f, b'E', b'L', b'F', class, 1];
        head.resize(HEAD - 2, 0);
        head.extend([machine, 0]);
        head
    }

    #[test]
    fn only_a_program_for_the_same_machine_fits() {
        let ours = head(2, 62);
        assert_eq!(mismatch(&ours, &ours), None);
        let told = mismatch(&head(2, 183), &ours).unwrap();
        assert_eq!(told, "it is for aarch64, this host is x86_64");
        assert!(mismatch(&head(1, 3), &ours).is_some());
        for rubbish in [&b"#!/bin/sh\nexit 0\n      "[..], b"", b"\x7fELF"] {
            assert_eq!(mismatch(rubbish, &ours).unwrap(), "it is no program (ELF)");
        }
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(mismatch(&own, &own), None);
    }
}
