//! The document of the interface: whole, and true. That it is true is asked by schemathesis, which makes up requests from it, good
//! ones and bad ones, and holds every answer against it.

use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::server::http::{openapi, table};

/// What the test needs, in its version.
const NEEDS: &str = include_str!("../../../../fixtures/interface/requirements.txt");

#[test]
fn every_route_is_in_the_document_and_every_name_in_it_is_known() {
    let document = openapi::document();
    for route in table::routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["operationId"], route.name, "{} {}", route.method, route.path);
        assert_eq!(operation["requestBody"].is_object(), route.body.is_some());
        // A browser's form can say no such thing: nothing is changed without it.
        assert!(route.is_safe() || route.method == "DELETE" || route.body.is_some(), "{}", route.path);
    }
    let mut names: Vec<&str> = table::routes().iter().map(|route| route.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table::routes().len(), "two have one name");
    fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(document, &mut found);
    for name in found {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name} is not there");
    }
}

#[test]
fn the_document_is_told_and_true() {
    let rig = Rig::new();
    let told = rig.ask("GET", "/openapi.json", None, None);
    assert_eq!(told.status, 200);
    assert_eq!(&told.json(), openapi::document());
    let program = match schemathesis() {
        Ok(program) => program,
        Err(why) => return eprintln!("skipped: schemathesis is not here: {why}"),
    };
    let token = rig.admin();
    let folder = tempfile::tempdir().unwrap();
    rig.run();
    let ask = |which: &[&str], besides: &str, seconds: &str| {
        // What is made at random, as long as it takes, is for a long job: a test that others wait for says the same each time.
        let short = crate::fuzz_cases(0) == 0;
        let bounds = if short { vec!["--max-time", seconds] } else { Vec::new() };
        let phases = if short { "coverage" } else { "coverage,fuzzing" };
        let output = Command::new(program.join("bin/python"))
            .arg(program.join("bin/schemathesis"))
            .args(["run", &format!("http://{}/openapi.json", rig.address)])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(["--max-examples", &crate::fuzz_cases(5).to_string()])
            .args(["--seed", "1", "--no-shrink", "--continue-on-failure", "--no-color", "--warnings", "off"])
            .args(["--phases", phases, "--request-timeout", "30"])
            .args(&bounds)
            // Nobody in it makes what could be used behind its end; and what is asked with another token, the matrix tests.
            .arg(format!(
                "--exclude-checks=use_after_free,ensure_resource_availability,object_level_authorization{besides}"
            ))
            .args(which)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let asked = rig.runner.asked.lock().unwrap().len();
        assert!(asked > 5, "only {asked} requests came as far as the runner:\n{said}");
    };
    // What is right by its form is refused where something else was asked under its key.
    ask(&["--include-operation-id", "begin_run"], ",positive_data_acceptance", "12");
    ask(&["--exclude-operation-id", "begin_run"], "", "25");
}

/// The folder that it is installed in: made once, whole or not at all.
fn schemathesis() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))).ok_or("nothing says where a cache is")?;
    let wanted = cache.join("playbook-tests").join(format!("interface-{}", Digest::of(NEEDS.as_bytes()).short()));
    if wanted.exists() {
        return Ok(wanted);
    }
    let made = wanted.with_extension(format!("new-{}", std::process::id()));
    std::fs::create_dir_all(&made).map_err(|error| error.to_string())?;
    let installed = install(&made);
    // Another test may have been faster: then its folder is as good.
    if installed.is_err() || std::fs::rename(&made, &wanted).is_err() {
        let _ = std::fs::remove_dir_all(&made);
    }
    installed.map(|()| wanted)
}

fn install(folder: &Path) -> Result<(), String> {
    let needs = folder.join("requirements.txt");
    std::fs::write(&needs, NEEDS).map_err(|error| error.to_string())?;
    told(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--timeout", "15", "-r"]);
    told(pip.arg(&needs))
}

fn told(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
