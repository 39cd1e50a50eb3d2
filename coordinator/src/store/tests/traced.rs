//! What a process asked the kernel to do with the files of a directory: the lines of `strace`,
//! as operations on inodes and names, each with when it began and when it ended.
//!
//! `strace -f -y -xx`: paths stand behind file descriptors, strings are hexadecimal, and a call
//! that another thread interrupts has two lines.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// What the process must be traced for. Whatever changes files is here: a call that the parser
/// does not know is a panic, not a hole.
pub(super) const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,\
     truncate,fallocate,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,\
     mkdir,mkdirat,link,linkat,symlink,symlinkat,rmdir,sendfile,copy_file_range,splice,sync,syncfs,\
     msync,lseek";

/// A file, whatever its name is.
pub(super) type Inode = usize;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Make {
        path: PathBuf,
        inode: Inode,
    },
    MakeDir {
        path: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Write {
        inode: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        inode: Inode,
        len: usize,
    },
    SyncFile {
        inode: Inode,
    },
    SyncDir {
        path: PathBuf,
    },
    /// Written to standard output.
    Say {
        text: String,
    },
}

/// Between its begin and its end nobody knows how much of it was done. Numbers of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub begin: usize,
    pub end: usize,
    pub kind: Kind,
}

/// One call, its two halves put together.
struct Call {
    begin: usize,
    end: usize,
    text: String,
}

/// All successful operations below `root`, and what was said, by their begin.
pub(super) fn read(trace: &str, root: &Path) -> Vec<Operation> {
    let mut reader = Reader { root: root.to_owned(), ..Reader::default() };
    let mut calls = calls(trace);
    // What was done first got its inode first.
    calls.sort_by_key(|call| call.end);
    for call in calls {
        reader.call(&call);
    }
    reader.found.sort_by_key(|operation| operation.begin);
    reader.found
}

fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut found = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let (thread, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(half) = text.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (number, half.to_owned()));
        } else if let Some(rest) = text.strip_prefix("<... ") {
            let (_, rest) = rest.split_once(" resumed>").unwrap();
            let (begin, half) = open.remove(thread).unwrap();
            found.push(Call { begin, end: number, text: half + rest });
        } else if !text.starts_with("+++") && !text.starts_with("---") {
            found.push(Call { begin: number, end: number, text: text.to_owned() });
        }
    }
    // Cut off by the end of the process: perhaps done.
    found.extend(open.into_values().map(|(begin, text)| Call { begin, end: usize::MAX, text }));
    found
}

#[derive(Default)]
struct Reader {
    root: PathBuf,
    found: Vec<Operation>,
    names: BTreeMap<PathBuf, Inode>,
    inodes: usize,
    /// Where the next `write` of a descriptor goes; sled and std append from the beginning.
    places: HashMap<Inode, usize>,
}

impl Reader {
    fn call(&mut self, call: &Call) {
        let (name, rest) = call.text.split_once('(').unwrap();
        let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, "0"));
        if result.starts_with('-') {
            return;
        }
        let words = words(arguments.trim_end().trim_end_matches(')'));
        let kinds = self.kinds(name, &words, result, &call.text);
        let place = |kind| Operation { begin: call.begin, end: call.end, kind };
        self.found.extend(kinds.into_iter().map(place));
    }

    fn kinds(&mut self, name: &str, words: &[String], result: &str, line: &str) -> Vec<Kind> {
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let number = |at: usize| word(at).parse::<usize>().unwrap();
        match name {
            "openat" => self.open(&words[2], result),
            "write" if word(0).starts_with("1<") => {
                vec![Kind::Say { text: String::from_utf8_lossy(&bytes(word(1))).into_owned() }]
            }
            "write" => self.of(word(0)).map_or(vec![], |inode| {
                let bytes = bytes(word(1));
                let at = self.places.entry(inode).or_default();
                let write = Kind::Write { inode, at: *at, bytes: bytes.clone() };
                *at += bytes.len();
                vec![write]
            }),
            "pwrite64" => self.of(word(0)).map_or(vec![], |inode| {
                vec![Kind::Write { inode, at: number(3), bytes: bytes(word(1)) }]
            }),
            "ftruncate" => {
                let cut = |inode| Kind::Cut { inode, len: number(1) };
                self.of(word(0)).map(cut).into_iter().collect()
            }
            "fsync" | "fdatasync" => match (self.of(word(0)), self.below(&path_of(word(0)))) {
                (Some(inode), _) => vec![Kind::SyncFile { inode }],
                (None, Some(path)) => vec![Kind::SyncDir { path }],
                (None, None) => vec![],
            },
            // Hands bytes to the disk, and promises nothing.
            "sync_file_range" => vec![],
            "mkdir" => {
                self.below(&text(word(0))).map_or(vec![], |p| vec![Kind::MakeDir { path: p }])
            }
            "unlink" => self.remove(&text(word(0))),
            "unlinkat" => self.remove(&text(word(1))),
            "rename" => self.rename(&text(word(0)), &text(word(1))),
            "renameat" | "renameat2" => self.rename(&text(word(1)), &text(word(3))),
            "lseek" => {
                // Only what was already written may be sought; reading does so.
                vec![]
            }
            _ => {
                assert!(!line.contains(&*self.root.to_string_lossy()), "not modelled: {line}");
                vec![]
            }
        }
    }

    fn open(&mut self, flags: &str, result: &str) -> Vec<Kind> {
        let Some(path) = self.below(&path_of(result)) else { return vec![] };
        let mut kinds = Vec::new();
        if flags.contains("O_CREAT") && !self.names.contains_key(&path) {
            self.inodes += 1;
            self.names.insert(path.clone(), self.inodes);
            kinds.push(Kind::Make { path: path.clone(), inode: self.inodes });
        }
        let Some(inode) = self.names.get(&path).copied() else { return kinds };
        if flags.contains("O_TRUNC") {
            kinds.push(Kind::Cut { inode, len: 0 });
        }
        if flags.contains("O_WRONLY") || flags.contains("O_RDWR") {
            self.places.insert(inode, 0);
        }
        kinds
    }

    fn remove(&mut self, path: &str) -> Vec<Kind> {
        let Some(path) = self.below(path) else { return vec![] };
        self.names.remove(&path);
        vec![Kind::Remove { path }]
    }

    fn rename(&mut self, from: &str, to: &str) -> Vec<Kind> {
        let (Some(from), Some(to)) = (self.below(from), self.below(to)) else { return vec![] };
        if let Some(inode) = self.names.remove(&from) {
            self.names.insert(to.clone(), inode);
        }
        vec![Kind::Rename { from, to }]
    }

    fn of(&self, descriptor: &str) -> Option<Inode> {
        self.names.get(&self.below(&path_of(descriptor))?).copied()
    }

    /// The path within the root.
    fn below(&self, path: &str) -> Option<PathBuf> {
        Path::new(path).strip_prefix(&self.root).ok().map(Path::to_owned)
    }
}

/// Arguments: a comma within a string or a path divides nothing.
fn words(arguments: &str) -> Vec<String> {
    let (mut words, mut quoted, mut depth) = (vec![String::new()], false, 0_usize);
    for letter in arguments.chars() {
        match letter {
            '"' => quoted = !quoted,
            '<' | '[' | '{' if !quoted => depth += 1,
            '>' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter == ',' && !quoted && depth == 0 {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(letter);
        }
    }
    words.into_iter().map(|word| word.trim().to_owned()).collect()
}

/// `7</a/b>`; strace may have escaped it.
fn path_of(descriptor: &str) -> String {
    let inner = descriptor.split_once('<').map_or("", |(_, rest)| rest);
    let inner = inner.rsplit_once('>').map_or("", |(inner, _)| inner);
    String::from_utf8_lossy(&unescaped(inner)).into_owned()
}

fn text(word: &str) -> String {
    String::from_utf8_lossy(&bytes(word)).into_owned()
}

/// A string as strace shows it, all of it.
fn bytes(word: &str) -> Vec<u8> {
    assert!(!word.ends_with("..."), "strace has cut a string");
    unescaped(word.trim_matches('"'))
}

fn unescaped(shown: &str) -> Vec<u8> {
    let mut parts = shown.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (number, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(number, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    bytes
}

#[test]
fn halves_are_put_together_and_paths_kept_apart() {
    let trace = "\
7 openat(AT_FDCWD</t>, \"\\x2f\\x73\\x2f\\x61\", O_RDWR|O_CREAT, 0600) = 3</s/a>
7 pwrite64(3</s/a>, \"\\x68\\x2c\", 2, 512 <unfinished ...>
8 fsync(9</s>) = 0
7 <... pwrite64 resumed>) = 2
7 write(1<pipe:[5]>, \"\\x6f\\x6b\", 2) = 2
7 pwrite64(4</other>, \"\\x68\", 1, 0) = 1
7 fdatasync(3</s/a>) = -1 EIO (Input/output error)
7 +++ exited with 0 +++
";
    let found = read(trace, Path::new("/s"));
    let make = Kind::Make { path: "a".into(), inode: 1 };
    let write = Kind::Write { inode: 1, at: 512, bytes: b"h,".to_vec() };
    let expected = [
        Operation { begin: 0, end: 0, kind: make },
        Operation { begin: 1, end: 3, kind: write },
        Operation { begin: 2, end: 2, kind: Kind::SyncDir { path: PathBuf::new() } },
        Operation { begin: 4, end: 4, kind: Kind::Say { text: "ok".into() } },
    ];
    assert_eq!(found, expected);
}
