//! `tls.certificate`: a certificate and its key as they lie in files, before anybody shows them.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::json;

use super::certificate::{Certificate, chain_of, public_of_private, public_of_public};
use super::trust;
use crate::actions::command::{Command, CommandError, Work, look};
use crate::actions::{Action, ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// How long a look at the files may take.
const LOOK: Duration = Duration::from_secs(12);

// Only what is between these lines: the file may hold the private key as well, and that stays where it is.
const READ: &str =
    r#"exec sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' -- "$PLAYBOOK_CERTIFICATE""#;

// The private key never leaves its host: what is told is its public half.
const PUBLIC: &str = r#"
[ -r "$PLAYBOOK_KEY" ] || { echo "$PLAYBOOK_KEY cannot be read" >&2; exit 95; }
command -v openssl >/dev/null 2>&1 || { echo "there is no openssl to read $PLAYBOOK_KEY with (package openssl)" >&2; exit 95; }
openssl pkey -in "$PLAYBOOK_KEY" -passin pass: -pubout 2>/dev/null ||
  { echo "there is no private key in $PLAYBOOK_KEY that can be read; it may be encrypted" >&2; exit 95; }
"#;

/// `tls.certificate`.
#[derive(Debug, Clone, Copy)]
pub struct Pair;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut outputs = super::outputs();
    outputs.push(FieldSpec::optional(
        "key_matches",
        Type::Boolean,
        "whether the private key is the certificate's; null where none is given",
    ));
    ActionSpec {
        name: "tls.certificate",
        summary: "Reads a certificate in a file, and whether a private key belongs to it.",
        details: "For a pair that is to be shown soon: whether it belongs together, when it ends, which names it is for, and \
            whether the authorities of this system, or those of `ca_file`, vouch for it (for `server_name`, else the first of \
            its names). Say in `require` what it has to be.\n\nThe private key is read where it lies: on a host by its \
            `openssl`, which tells the public half alone. On this machine, and where it is given as `key_content`, it is in \
            this process's memory for the comparison, and nowhere else.",
        inputs: vec![
            FieldSpec::optional(
                "host",
                Type::Reference("host".into()),
                "the host that the files are on; this machine where absent",
            ),
            FieldSpec::required(
                "certificate",
                Type::String,
                "the whole path of the file with the certificate, and those above it",
            ),
            FieldSpec::optional(
                "key",
                Type::String,
                "the whole path of the file with the private key; may be the same one",
            ),
            FieldSpec::optional("key_content", Type::String, "the private key itself, by a secret's reference"),
            FieldSpec::optional(
                "names",
                Type::List(Box::new(Type::String)),
                "names that it should be for: see `not_covered`",
            ),
            FieldSpec::optional("server_name", Type::String, "the name that it is to be trusted for"),
            FieldSpec::optional("ca_file", Type::String, "a file on the runner with the authorities that count"),
            FieldSpec::optional("become", Type::Identifier, "the user to become there, with `sudo -n`"),
        ],
        outputs,
        facts: Vec::new(),
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "What the files hold at the time of the plan.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 30.0,
        open_inputs: false,
    }
});

#[async_trait]
impl Action for Pair {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let host = text(arguments, "host");
        let there = |line: String| by_hand::on_host(inventory, host, &line);
        let certificate = by_hand::word(&by_hand::value(arguments, "certificate"));
        let mut lines = vec![there(format!(
            "openssl x509 -in {certificate} -noout -subject -issuer -serial -dates -ext subjectAltName"
        ))];
        if text(arguments, "key").is_some() {
            let key = by_hand::word(&by_hand::value(arguments, "key"));
            lines.push(there(format!("openssl x509 -in {certificate} -noout -pubkey")));
            lines.push(there(format!("openssl pkey -in {key} -pubout")));
            lines.push(by_hand::comment("good: both print the same, so the key is the certificate's"));
        }
        lines
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let unknown = |name: &str| arguments.get(name).is_some_and(is_unknown);
        if ["host", "certificate", "key", "key_content"].into_iter().any(unknown) {
            return Ok(Prediction::unknown("which files is not known yet"));
        }
        let outputs = read(context, arguments).await.map_err(ActionError::Invalid)?;
        let mut prediction = Prediction::probed(json!({}));
        prediction.notes.push(told(arguments, &outputs));
        prediction.outputs = outputs;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match read(context, &call.arguments).await {
            Ok(outputs) => Report::done(told(&call.arguments, &outputs), outputs),
            Err(why) => Report::failed(why),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

fn told(arguments: &Value, outputs: &Value) -> String {
    let said = |name: &str| outputs[name].as_str().unwrap_or_default();
    let key = match outputs["key_matches"].as_bool() {
        Some(true) => "; the key is its own",
        Some(false) => "; THE KEY IS NOT ITS OWN",
        None => "",
    };
    let trusted = outputs["problem"].as_str().map(|why| format!("; not trusted: {why}")).unwrap_or_default();
    let file = text(arguments, "certificate").unwrap_or_default();
    format!("{file} is {} (serial {}), ends {}{key}{trusted}", said("subject"), said("serial"), said("not_after"))
}

async fn read(context: &Context, arguments: &Value) -> Result<Value, String> {
    let path = whole("certificate", text(arguments, "certificate").unwrap_or_default())?;
    let pem = ask(context, arguments, READ, ("PLAYBOOK_CERTIFICATE", path)).await?;
    let chain = chain_of(pem.as_bytes()).map_err(|why| format!("{path}: {why}"))?;
    let own = chain.first().ok_or_else(|| format!("{path}: there is no certificate in it"))?;
    let certificate = Certificate::read(own).map_err(|why| format!("{path}: {why}"))?;
    let key = public_key(context, arguments).await?;
    let store = trust::authorities(text(arguments, "ca_file"))?;
    let name = text(arguments, "server_name").filter(|name| !name.is_empty());
    // A name with a star is no server's name; one below it is.
    let first = certificate.names.first().map(|name| name.replacen("*.", "any.", 1)).unwrap_or_default();
    let problem = trust::problem(&chain, name.unwrap_or(&first), &store);
    let mut outputs = certificate.outputs(&super::names(arguments), SystemTime::now());
    outputs["chain"] = json!(chain.len());
    outputs["trusted"] = json!(problem.is_none());
    outputs["problem"] = json!(problem);
    outputs["key_matches"] = json!(key.map(|key| key == certificate.public_key));
    Ok(outputs)
}

/// The public half of the private key that is given, if one is.
async fn public_key(context: &Context, arguments: &Value) -> Result<Option<Vec<u8>>, String> {
    let secret = text(arguments, "key_content").map(|pem| public_of_private(pem.as_bytes()));
    if let Some(public) = secret {
        return public.map(Some).map_err(|why| format!("the key that is given: {why}"));
    }
    let Some(path) = text(arguments, "key").filter(|path| !path.is_empty()) else { return Ok(None) };
    let path = whole("key", path)?;
    let is_here = text(arguments, "host").is_none() && text(arguments, "become").is_none();
    let public = if is_here {
        let pem = std::fs::read(path).map_err(|error| format!("{path} cannot be read on this machine: {error}"))?;
        public_of_private(&pem)
    } else {
        let pem = ask(context, arguments, PUBLIC, ("PLAYBOOK_KEY", path)).await?;
        public_of_public(pem.as_bytes())
    };
    public.map(Some).map_err(|why| format!("{path}: {why}"))
}

fn whole<'a>(name: &str, path: &'a str) -> Result<&'a str, String> {
    if path.starts_with('/') && !path.chars().any(char::is_control) {
        Ok(path)
    } else {
        Err(format!("`{name}` is the whole path of a file, such as /etc/ssl/app.pem, and is {path:?}"))
    }
}

/// What a fixed script prints where the files are; nobody who watches is shown it.
async fn ask(context: &Context, arguments: &Value, script: &str, value: (&str, &str)) -> Result<String, String> {
    let quiet = context.quiet();
    let command = Command {
        host: text(arguments, "host").map(str::to_owned),
        work: Work::Script(script.to_owned()),
        environment: vec![(value.0.to_owned(), value.1.to_owned())],
        shell: None,
        become_user: text(arguments, "become").map(str::to_owned),
    };
    match look(&quiet, &command, LOOK).await {
        Ok(ended) if ended.exit_code == Some(0) => Ok(ended.output.stdout.text),
        Ok(ended) => Err(ended.output.stderr.text.trim().chars().take(600).collect()),
        Err(CommandError::Invalid(why) | CommandError::Unreachable(why) | CommandError::Lost(why)) => Err(why),
    }
}
