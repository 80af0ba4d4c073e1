//! The Python beside the Rust has to be Python: one interpreter compiles every idiom.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use crate::{assert_none, workspace};

/// Compiles name, code, name, code … from stdin, and says what doesn't compile. An idiom is what stands inside an
/// `async def`, so `await` is allowed where Python itself would only take it there.
const COMPILE: &str = r#"
import ast, sys, warnings
if sys.version_info < (3, 11):
    sys.exit(3)
warnings.simplefilter("error")
parts = sys.stdin.buffer.read().decode().split("\0")
for name, code in zip(parts[::2], parts[1::2]):
    try:
        compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, SyntaxWarning, ValueError) as error:
        print(f"{name}: {error}")
"#;

/// What doesn't compile; an error says why nothing could be compiled.
fn complaints(idioms: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut python = Command::new("python3")
        .args(["-c", COMPILE])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("python3: {error}"))?;
    let parts: Vec<&str> = idioms
        .iter()
        .flat_map(|(name, code)| [name.as_str(), code.as_str()])
        .collect();
    let mut stdin = python.stdin.take().expect("it was asked for above");
    // One that is too old leaves without reading.
    let _ = stdin.write_all(parts.join("\0").as_bytes());
    drop(stdin);
    let output = python
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()),
        Some(3) => Err("python3 is older than 3.11".to_owned()),
        _ => Err(format!("python3: {}", output.status)),
    }
}

/// Past libtest, which keeps what a passing test prints to itself.
pub fn skipped(why: &str) {
    let _ = writeln!(io::stderr(), "skipped: Python not tried: {why}");
}

#[test]
fn finds_what_is_no_python() {
    let idioms = [
        (
            "good",
            "async with lock:\n    await x\nresult = [y async for y in z]",
        ),
        ("bad", "await await:"),
        ("indented", "async def f():\nreturn 1"),
    ]
    .map(|(name, code)| (name.to_owned(), code.to_owned()));
    match complaints(&idioms) {
        Ok(found) => {
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found[0].starts_with("bad: ") && found[1].starts_with("indented: "));
        }
        Err(why) => skipped(&why),
    }
}

#[test]
fn every_idiom_is_python() {
    let workspace = workspace();
    let idioms: Vec<(String, String)> = workspace
        .lessons()
        .filter_map(|(chapter, lesson)| {
            let name = format!("{}/{}", chapter.name, lesson.name);
            Some((name, lesson.header.python.clone()?))
        })
        .collect();
    match complaints(&idioms) {
        Ok(found) => assert_none(&found),
        Err(why) => skipped(&why),
    }
}
