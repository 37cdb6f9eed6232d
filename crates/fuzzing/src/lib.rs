//! What must hold of each parser, whatever it is given: [`TARGETS`] has a check for each kind of input, which panics if it
//! does not hold.
//!
//! `fuzz/` lets libFuzzer look for an input with which one of them fails (`cargo xtask fuzz`); what it has found, and what
//! is worth beginning with, is in `fuzz/corpus`, and a unit test here replays that.

#![warn(missing_docs)]
// A check that does not hold panics: so libFuzzer sees it.
#![allow(clippy::panic)]

mod bodies;
mod headers;
mod paths;
mod stream;

/// A kind of input: its name, and what must hold of it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 11] = [
    ("vote", bodies::vote),
    ("bulk", bodies::bulk),
    ("form", bodies::form),
    ("poll", bodies::poll),
    ("organizer_form", bodies::organizer_form),
    ("idempotency_key", headers::idempotency_key),
    ("origin", headers::origin),
    ("cookies", headers::cookies),
    ("headers", headers::headers),
    ("path", paths::path),
    ("reply", stream::reply),
];

/// Checks an input of the kind with this name.
pub fn check(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "there is no target {name:?}");
    if let Some((_, check)) = target {
        check(input);
    }
}

/// What somebody reads who has sent something wrong.
pub(crate) fn is_a_sentence(text: &str) {
    assert!((10..=300).contains(&text.len()), "{text:?}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn the_corpus_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (name, check) in TARGETS {
            let inputs = fs::read_dir(corpus.join(name)).expect(name);
            let mut replayed = 0;
            for input in inputs {
                let path = input.unwrap().path();
                eprintln!("{}", path.display());
                check(&fs::read(path).unwrap());
                replayed += 1;
            }
            assert!(replayed >= 5, "{name} has no corpus to speak of");
        }
    }

    #[test]
    fn each_target_is_one_that_libfuzzer_can_run() {
        let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
        let mut files: Vec<_> = fs::read_dir(targets)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_owned())
            .collect();
        files.sort();
        let mut names = TARGETS.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(files, names);
    }
}
