//! What the workspace is built of: where it comes from, under which licence, and what none of it is. `deny.toml` says
//! what is allowed.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

/// What `deny.toml` says, as far as it can be told without an advisory database.
#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// What `cargo metadata` writes.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// A member of the workspace has none.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

fn complaints(rules: &Rules, metadata: &Metadata) -> Vec<String> {
    let allowed: Vec<Licensee> = rules
        .licenses
        .allow
        .iter()
        .map(|license| Licensee::parse(license).expect("deny.toml allows SPDX identifiers"))
        .collect();
    let registries: BTreeSet<String> = rules
        .sources
        .allow_registry
        .iter()
        .map(|url| format!("registry+{url}"))
        .collect();
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let mut complain = |text: String| {
            complaints.push(format!("{} {}: {text}", package.name, package.version));
        };
        match &package.source {
            Some(source) if !registries.contains(source) => complain(format!("is from {source}")),
            None if package.has_build_script() => {
                complain("has a build script, and is our own".to_owned());
            }
            _ => {}
        }
        let license = package.license.as_deref().unwrap_or_default();
        if !satisfied(license, &allowed) {
            complain(format!("its licence {license:?} isn't allowed"));
        }
        for ban in &rules.bans.deny {
            if ban.name == package.name {
                complain(format!("is refused: {}", ban.reason));
            }
        }
    }
    complaints
}

impl Package {
    fn has_build_script(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "custom-build")
    }
}

/// Whether the allowed licences are enough to use what is under `license`. Old packages write `/` for `OR`.
fn satisfied(license: &str, allowed: &[Licensee]) -> bool {
    Expression::parse_mode(license, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|asked| allowed.iter().any(|licence| licence.satisfies(asked)))
    })
}

fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().and_then(Path::parent);
    root.expect("a member stands two folders below the root")
}

fn rules() -> Rules {
    let text = fs::read_to_string(root().join("deny.toml")).expect("it stands at the root");
    toml::from_str(&text).unwrap_or_else(|error| panic!("deny.toml: {error}"))
}

/// What cargo writes for these arguments, or why it doesn't.
fn cargo(arguments: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(arguments)
        .output()
        .expect("cargo starts: it has just built this test");
    let text = |bytes| String::from_utf8(bytes).expect("cargo writes UTF-8");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// Of everything in Cargo.lock where it is all here, for all features and platforms. Otherwise of what is built on this
/// one, which cargo downloads for any test of the workspace.
fn metadata() -> Metadata {
    let command = ["metadata", "--format-version=1", "--locked"];
    let everything = [&command[..], &["--offline", "--all-features"]].concat();
    let json = cargo(&everything).unwrap_or_else(|_not_here| {
        // Not by `eprintln!`: what a passing test prints by it is not shown.
        let _closed = writeln!(
            io::stderr(),
            "not all of Cargo.lock is here, so only what is built on this platform is looked at (for all: cargo fetch)"
        );
        let version = cargo(&["--version", "--verbose"]).expect("it takes no more than a cargo");
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.expect("cargo says what it was built for");
        let built = [&command[..], &["--filter-platform", host]].concat();
        cargo(&built).unwrap_or_else(|error| panic!("cargo metadata: {error}"))
    });
    serde_json::from_str(&json).expect("cargo writes what it documents")
}

const RULES: &str = r#"
[licenses]
allow = ["MIT", "Apache-2.0", "Unicode-3.0"]
[bans]
deny = [{ crate = "leaky", reason = "it leaks" }]
[sources]
allow-registry = ["https://index"]
"#;

/// The complaints about one package of the registry, of which only this is told.
fn about(name: &str, license: &str, source: &str, kind: &str) -> Vec<String> {
    let metadata = serde_json::json!({ "packages": [
        { "name": "good", "version": "1.0.0", "license": "MIT", "source": "registry+https://index",
          "targets": [{ "kind": ["lib"] }, { "kind": ["custom-build"] }] },
        { "name": "member", "version": "0.1.0", "license": "MIT OR Apache-2.0", "source": null,
          "targets": [{ "kind": ["bin"] }] },
        { "name": name, "version": "2.0.0", "license": license, "targets": [{ "kind": [kind] }],
          "source": Some(source).filter(|source| !source.is_empty()) },
    ]});
    let metadata = serde_json::from_value(metadata).expect("it is like cargo's");
    let rules = toml::from_str(RULES).expect("they are like deny.toml");
    complaints(&rules, &metadata)
}

#[test]
fn finds_where_a_package_comes_from() {
    assert!(about("odd", "MIT", "registry+https://index", "lib").is_empty());
    for source in [
        "git+https://github.com/odd/odd#1234",
        "registry+https://second",
    ] {
        let found = about("odd", "MIT", source, "lib");
        assert_eq!(found, [format!("odd 2.0.0: is from {source}")]);
    }
}

#[test]
fn finds_a_licence_that_is_not_allowed() {
    let registry = "registry+https://index";
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 / GPL-3.0",
        "GPL-2.0-only OR MIT",
        "(MIT OR GPL-3.0-only) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
    ] {
        assert!(about("odd", good, registry, "lib").is_empty(), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-or-later",
        "MIT OR (",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        let found = about("odd", bad, registry, "lib");
        let complaint = format!("odd 2.0.0: its licence {bad:?} isn't allowed");
        assert_eq!(found, [complaint]);
    }
}

#[test]
fn finds_a_build_script_of_a_member() {
    let found = about("odd", "MIT", "", "custom-build");
    assert_eq!(found, ["odd 2.0.0: has a build script, and is our own"]);
}

#[test]
fn finds_a_crate_that_is_refused() {
    let found = about("leaky", "MIT", "registry+https://index", "lib");
    assert_eq!(found, ["leaky 2.0.0: is refused: it leaks"]);
}

#[test]
fn every_package_is_from_the_registry_and_under_a_licence_that_is_allowed() {
    let metadata = metadata();
    let packages = &metadata.packages;
    assert!(packages.iter().any(|package| package.name == "tokio"));
    assert!(packages.iter().any(|package| package.name == "launcher"));
    let found = complaints(&rules(), &metadata);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
