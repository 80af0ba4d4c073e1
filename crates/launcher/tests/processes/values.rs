//! Every option that a chapter's help names, with values that make no sense.

use std::{collections::BTreeSet, ffi::OsString, fs, os::unix::ffi::OsStringExt};

use crate::{
    cases::{Came, Program},
    run::Ended,
};

/// An option with a value, as the help shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Valued {
    pub flag: String,
    pub value: String,
    /// All that is said about it.
    pub about: String,
    /// Every chapter has it.
    pub is_shared: bool,
}

/// Those of a help.
pub fn valued(help: &str) -> Vec<Valued> {
    let mut found: Vec<Valued> = Vec::new();
    let (mut is_shared, mut is_switch) = (false, true);
    for line in help.lines() {
        if line.ends_with(':') && !line.starts_with(' ') {
            is_shared = line == "Options:";
            is_switch = true;
        }
        let text = line.trim_start();
        // An option is indented a little, the text beneath it a lot.
        if text.starts_with('-') && line.len() - text.len() <= 6 {
            let spelling = text.split("  ").next().unwrap_or(text);
            let flag = spelling.split(' ').find(|word| word.starts_with("--"));
            let value = spelling
                .split_once('<')
                .and_then(|(_, rest)| rest.split('>').next());
            is_switch = value.is_none();
            if let (Some(flag), Some(value)) = (flag, value) {
                found.push(Valued {
                    flag: flag.into(),
                    value: value.into(),
                    about: String::new(),
                    is_shared,
                });
            }
        }
        if let Some(option) = found.last_mut().filter(|_| !is_switch) {
            option.about += line;
            option.about += "\n";
        }
    }
    found
}

/// What no number, no duration, no URL and none of a few words is.
const NONSENSE: [&str; 5] = [
    "many",
    "",
    "-1",
    "99999999999999999999",
    "99999999999999999999y",
];

/// Paths that can't be written, or can't even be; and one that is a fine name.
const PATHS: [&str; 6] = ["", ".", "file/below", "missing/below", "-1", "0"];

/// Longer than a name may be.
const TOO_LONG: usize = 300;

/// What is refused exits 2 and says why. A path may be a good one: then the lesson that uses it runs or fails.
pub fn refused(program: &Program) -> Came {
    let help = program.run().args(["--help"]).ended();
    let mut came = Came::of(&help, &[0], [(!help.out.is_empty(), "a help")]);
    let mut codes = BTreeSet::new();
    let mut tries = 0;
    let mut tried = |args: &[OsString], flag: &str, value: &str, allowed: &[i32]| {
        let ended = typed(program, args);
        tries += 1;
        codes.extend(ended.code);
        let found = judged(&ended, flag, value, allowed);
        let found = found.into_iter().map(|one| format!("{args:?}: {one}"));
        came.complaints.extend(found);
    };
    for option in valued(&help.out) {
        let flag = OsString::from(&option.flag);
        // Its value is missing.
        tried(std::slice::from_ref(&flag), &option.flag, "", &[2]);
        let is_path = ["FILE", "DIR"].contains(&option.value.as_str());
        let long = "a".repeat(TOO_LONG);
        let values: Vec<(OsString, &[i32])> = if is_path {
            let mut paths: Vec<_> = PATHS.iter().map(OsString::from).collect();
            paths.extend([long.into(), OsString::from_vec(vec![0xff])]);
            paths
                .into_iter()
                .map(|path| (path, &[0, 1, 2][..]))
                .collect()
        } else {
            let mut values: Vec<_> = NONSENSE
                .iter()
                .map(|&text| (text.into(), &[2][..]))
                .collect();
            // Nothing is a size that a file can have.
            values.push(("0".into(), &[0, 2]));
            values.push((OsString::from_vec(vec![0xff]), &[2]));
            values
        };
        for (value, allowed) in values {
            let mut args = vec![flag.clone(), value.clone()];
            args.extend(shown_with(program, &option).map(OsString::from));
            tried(&args, &option.flag, &value.to_string_lossy(), allowed);
        }
    }
    for nonsense in NONSENSE {
        // In a lesson's place.
        tried(&[nonsense.into()], "", nonsense, &[2]);
    }
    let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
    came.codes = format!("{} of {tries}", codes.join("/"));
    came
}

/// The lesson that the help of the option names uses it. What all chapters share is tried with a lesson in one.
fn shown_with<'a>(program: &'a Program, option: &'a Valued) -> impl Iterator<Item = &'a str> {
    let mut words = option
        .about
        .split(|c: char| !c.is_alphanumeric() && c != '-');
    let named = words.find(|word| program.lessons.iter().any(|lesson| lesson.name == *word));
    let args = if option.is_shared && !program.is_first {
        vec!["--list"]
    } else if option.flag == "--tick" {
        vec![program.first()]
    } else {
        vec![named.unwrap_or(program.first()), "--tick", "10ms"]
    };
    args.into_iter()
}

fn typed(program: &Program, args: &[OsString]) -> Ended {
    let run = program.run().args(args);
    fs::write(run.here().join("file"), "no folder").unwrap();
    run.ended()
}

/// What is wrong with this answer to such a value.
pub fn judged(ended: &Ended, flag: &str, value: &str, allowed: &[i32]) -> Vec<String> {
    let mut found = ended.complaints(allowed);
    let err = &ended.err;
    // A byte that is no text is shown as `�` or as `\xFF`; where it is refused as such, not at all.
    let no_text = ["\\xFF", "UTF-8"].iter().any(|shown| err.contains(shown));
    let names = err.contains(value) || (value == "\u{fffd}" && no_text);
    match ended.code {
        Some(2) => {
            let lines: Vec<_> = err.lines().collect();
            let form = matches!(lines[..], [what, way_out]
                if what.starts_with("error: ") && way_out.starts_with("       ") && way_out.len() > 7);
            // A value that begins with `-` is taken for an option, and named as one.
            let of = value.starts_with('-') || err.contains(flag) || no_text;
            let says = form && of && names && ended.out.is_empty();
            if !says {
                found.push(format!("it doesn't name flag, value and way out: {err}"));
            }
        }
        Some(1) if !names => found.push(format!("it doesn't name the value: {err}")),
        _ => {}
    }
    found
}
