//! Templates as Home Assistant evaluates them: by Jinja itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The version of Jinja that Home Assistant 2025.4 to 2026.11 ask for.
const JINJA: &str = "jinja2==3.1.6";

/// Home Assistant gives templates the payload as text and, if it is JSON, as `value_json`.
const SCRIPT: &str = "
import json, sys, jinja2
asked = json.load(sys.stdin)
environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
message = asked['message']
render = lambda template: environment.from_string(template).render(value=json.dumps(message), value_json=message)
json.dump([render(template) for template in asked['templates']], sys.stdout)
";

/// A Python that has Jinja, in the build folder; made once.
fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jinja");
    let python = venv.join("bin/python");
    let version = format!("import jinja2; assert 'jinja2==' + jinja2.__version__ == '{JINJA}'");
    let has_jinja = |python: &Path| {
        Command::new(python).args(["-c", &version]).output().is_ok_and(|o| o.status.success())
    };
    if !has_jinja(&python) {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).output();
        let made = made.expect("python3 is needed: apt-get install python3 python3-venv");
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        assert!(made.status.success(), "a venv is needed: apt-get install python3-venv\n{told}");
        let pip = Command::new(&python).args(["-m", "pip", "install", "--quiet", JINJA]).output().unwrap();
        assert!(pip.status.success(), "pip install {JINJA}: {}", String::from_utf8_lossy(&pip.stderr));
        assert!(has_jinja(&python));
    }
    python
}

/// What each of `templates` makes of a message.
pub(crate) fn render(templates: &[&str], message: &Value) -> Vec<String> {
    let mut command = Command::new(python());
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &json!({"templates": templates, "message": message}))
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
