//! What the programs need of the C library, read from the files.

use std::collections::BTreeSet;

use crate::bundles::root;

/// CentOS 7, and all that came after.
const HIGHEST: (u32, u32) = (2, 17);

/// The versions of the C library's symbols that a program names, such as 2.17.
fn versions(program: &[u8]) -> BTreeSet<(u32, u32)> {
    let mark = b"GLIBC_";
    let places = program.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    places
        .filter_map(|(place, _)| {
            let rest = &program[place + mark.len()..];
            let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
            let mut numbers = std::str::from_utf8(&rest[..end]).ok()?.split('.');
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
        .collect()
}

#[test]
fn no_program_needs_more_than_glibc_2_17() {
    let mut seen = 0;
    for arch in ["x86_64", "aarch64"] {
        for name in ["bellows", "bellows-agent"] {
            let path = root().join("target/package").join(arch).join("programs").join(name);
            let Ok(program) = std::fs::read(&path) else { continue };
            let versions = versions(&program);
            let highest = versions.last().expect("it names versions of the C library");
            assert!(*highest <= HIGHEST, "{arch}/{name} needs {versions:?}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "there are no programs: `make test-package` builds them first");
}

#[test]
fn a_newer_symbol_would_be_seen() {
    let program = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_PRIVATE\0";
    assert_eq!(versions(program).last(), Some(&(2, 34)));
}
