//! `tls.check`: the certificate that a server shows.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::json;
use tokio::net::TcpStream;

use super::certificate::Certificate;
use super::trust;
use crate::actions::{Action, ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `tls.check`.
#[derive(Debug, Clone, Copy)]
pub struct Check;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut outputs = super::outputs();
    outputs.push(FieldSpec::required("protocol", Type::String, "the version that was agreed on, such as TLSv1_3"));
    ActionSpec {
        name: "tls.check",
        summary: "Makes a TLS handshake and says which certificate is shown.",
        details: "It connects from the runner, asks for the server's name and reads what is shown, also where that is not to be \
            trusted: `trusted` and `problem` judge it, as a client would, by the authorities of this system or by `ca_file`. \
            Say in `require` what it has to be. With `service` address, name and authorities are those of the inventory.\n\n\
            Revocation is not looked at, and there is no STARTTLS.",
        inputs: vec![
            FieldSpec::optional(
                "service",
                Type::Reference("service".into()),
                "a service of the inventory with `tls`; or",
            ),
            FieldSpec::optional("address", Type::String, "ADDRESS:PORT"),
            FieldSpec::optional("server_name", Type::String, "the name to ask for; that in `address` where absent"),
            FieldSpec::optional("ca_file", Type::String, "a file on the runner with the authorities that count"),
            FieldSpec::optional(
                "names",
                Type::List(Box::new(Type::String)),
                "names that it should be for: see `not_covered`",
            ),
        ],
        outputs,
        facts: Vec::new(),
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "What the server shows at the time of the plan.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 10.0,
        open_inputs: false,
    }
});

/// Whom to ask, and for what.
struct Ask {
    address: String,
    server_name: String,
    ca_file: Option<String>,
}

impl Ask {
    fn read(inventory: &Inventory, arguments: &Value) -> Result<Self, String> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut ask = match text("service") {
            Some(name) => {
                let service = inventory.service(&name).map_err(|error| error.to_string())?;
                let tls = service.tls.as_ref().ok_or_else(|| {
                    format!("the inventory's service {name} has no `tls`: nobody knows where it shows a certificate")
                })?;
                let ca_file = tls.ca_file.as_ref().map(|path| path.display().to_string());
                let server_name = tls.server_name.clone().unwrap_or_default();
                Self { address: tls.address.clone(), server_name, ca_file }
            }
            None => Self { address: String::new(), server_name: String::new(), ca_file: None },
        };
        ask.address = text("address").unwrap_or(ask.address);
        ask.server_name = text("server_name").unwrap_or(ask.server_name);
        ask.ca_file = text("ca_file").or(ask.ca_file);
        let Some((host, _)) =
            ask.address.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        else {
            return Err(format!(
                "`address` is ADDRESS:PORT, or `service` one of the inventory, and it is {:?}",
                ask.address
            ));
        };
        if ask.server_name.is_empty() {
            ask.server_name = host.trim_matches(['[', ']']).to_owned();
        }
        Ok(ask)
    }
}

#[async_trait]
impl Action for Check {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let (address, name) = match Ask::read(inventory, arguments) {
            Ok(ask) => (ask.address, ask.server_name),
            Err(_) => (by_hand::value(arguments, "address"), by_hand::value(arguments, "server_name")),
        };
        let (address, name) = (by_hand::word(&address), by_hand::word(&name));
        vec![
            format!(
                "openssl s_client -connect {address} -servername {name} </dev/null | openssl x509 -noout -subject -issuer -serial -dates -ext subjectAltName"
            ),
            by_hand::comment("good: notAfter lies ahead, and the names are those that clients ask for"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("which server is not known yet"));
        }
        let ask = Ask::read(&context.inventory, arguments).map_err(ActionError::Invalid)?;
        let outputs = look(&ask, arguments, Duration::from_secs(8)).await.map_err(ActionError::Unreachable)?;
        let mut prediction = Prediction::probed(json!({}));
        prediction.notes.push(told(&ask, &outputs));
        prediction.outputs = outputs;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let ask = match Ask::read(&context.inventory, &call.arguments) {
            Ok(ask) => ask,
            Err(why) => return Report::no_effect(why),
        };
        match look(&ask, &call.arguments, call.timeout).await {
            Ok(outputs) => Report::done(told(&ask, &outputs), outputs),
            Err(why) => Report::failed(why),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

fn told(ask: &Ask, outputs: &Value) -> String {
    let text = |name: &str| outputs[name].as_str().unwrap_or_default();
    let judged = match outputs["problem"].as_str() {
        Some(problem) => format!("not trusted: {problem}"),
        None => "trusted".to_owned(),
    };
    format!(
        "{} shows {} (serial {}), which ends {}; {judged}",
        ask.address,
        text("subject"),
        text("serial"),
        text("not_after")
    )
}

/// Takes every certificate, as it is to be read: whether it is to be trusted is judged afterwards. What is signed in the
/// handshake is checked all the same, so that it is the certificate of whoever answers.
#[derive(Debug)]
struct Reader {
    provider: Arc<CryptoProvider>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Reader {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(own).chain(above).map(|one| one.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

async fn look(ask: &Ask, arguments: &Value, limit: Duration) -> Result<Value, String> {
    let store = trust::authorities(ask.ca_file.as_deref())?;
    let (chain, protocol) = match tokio::time::timeout(limit, handshake(ask)).await {
        Ok(shown) => shown?,
        Err(_) => return Err(format!("{} did not finish a TLS handshake within {} s", ask.address, limit.as_secs())),
    };
    let own = chain.first().ok_or_else(|| format!("{} shows no certificate", ask.address))?;
    let read = Certificate::read(own).map_err(|why| format!("what {} shows cannot be read: {why}", ask.address))?;
    let problem = trust::problem(&chain, &ask.server_name, &store);
    let mut outputs = read.outputs(&super::names(arguments), SystemTime::now());
    outputs["chain"] = json!(chain.len());
    outputs["trusted"] = json!(problem.is_none());
    outputs["problem"] = json!(problem);
    outputs["protocol"] = json!(protocol);
    Ok(outputs)
}

async fn handshake(ask: &Ask) -> Result<(Vec<CertificateDer<'static>>, String), String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{} {what}: {error}", ask.address);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let reader = Arc::new(Reader { provider: Arc::clone(&provider), shown: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&reader) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(ask.server_name.clone())
        .map_err(|_| format!("`server_name`: {:?} is no name of a server", ask.server_name))?;
    let stream = TcpStream::connect(&ask.address).await.map_err(|error| failed("cannot be reached", &error))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream =
        connector.connect(name, stream).await.map_err(|error| failed("breaks off the TLS handshake", &error))?;
    let protocol =
        stream.get_ref().1.protocol_version().map_or_else(|| "unknown".to_owned(), |version| format!("{version:?}"));
    let chain = reader.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    Ok((chain, protocol))
}
