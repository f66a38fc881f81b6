//! The way to a cluster's API: the one file that knows the client library. It brings a request there and the answer back, each
//! with a deadline and a bound, and says of a change that got no answer whether it can have arrived. It judges no answer, and
//! sends nothing twice by itself.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use kube::client::{AuthError, Body, Client};
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use super::wire::{Answer, Request};
use crate::actions::kubernetes::KubernetesError;
use crate::inventory;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a program may take that gets our credentials, which may have to ask a service in turn.
const CREDENTIALS: Duration = Duration::from_secs(20);
/// What an answer may be in size: a page of large objects, and nothing that fills our memory.
const MOST_BYTES: usize = 16 << 20;

/// An open way to one cluster.
pub(super) struct Wire {
    client: Client,
    place: String,
}

impl Wire {
    /// Finds out how the cluster is entered, and who we are there. Nothing is asked yet.
    pub(super) async fn open(name: &str, entry: &inventory::Cluster) -> Result<Self, KubernetesError> {
        // A provider that is there already serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = configuration(name, entry).await?;
        config.connect_timeout = Some(CONNECT);
        // An answer of "try again" is for whoever asked: an eviction that is refused must not be sent on and on.
        config.default_retry = false;
        let place = format!("cluster {name} ({})", config.cluster_url.to_string().trim_end_matches('/'));
        let client = connect(&place, config).await?;
        Ok(Self { client, place })
    }

    /// The namespace of the context, or of our pod.
    pub(super) fn namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Which cluster, for a person.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Sends one request.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, KubernetesError> {
        match tokio::time::timeout(request.limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silence(request, &format!("no answer within {} s", request.limit.as_secs()))),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, KubernetesError> {
        let mut built = http::Request::builder().method(request.method).uri(&request.address);
        built = built.header("accept", "application/json");
        if let Some(media) = request.media {
            built = built.header("content-type", media);
        }
        let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let built = built.body(Body::from(body.into_bytes()));
        let built = built.map_err(|error| KubernetesError::Invalid(format!("{}: {error}", request.address)))?;
        let response = self.client.send(built).await.map_err(|error| self.no_answer(request, &error))?;
        let status = response.status().as_u16();
        let body = match Limited::new(response.into_body(), MOST_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            // The status came: a change was taken, or it was not.
            Err(_) if status >= 400 => Default::default(),
            Err(error) => return Err(self.silence(request, &format!("its answer broke off: {error}"))),
        };
        let json = serde_json::from_slice(&body);
        Ok(Answer { status, body: json.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body).into_owned())) })
    }

    fn no_answer(&self, request: &Request, error: &kube::Error) -> KubernetesError {
        if let kube::Error::Auth(why) = error {
            return KubernetesError::Unreachable(format!("{}: {}", self.place, credentials(why)));
        }
        let why = chain(error);
        if never_left(error) {
            return KubernetesError::Unreachable(format!("{} cannot be reached: {why}", self.place));
        }
        self.silence(request, &why)
    }

    /// A request that may have arrived.
    fn silence(&self, request: &Request, why: &str) -> KubernetesError {
        if request.changes {
            return KubernetesError::Lost(format!(
                "{} was told to {}, and gave no answer: {why}; it may have happened or not",
                self.place, request.what
            ));
        }
        KubernetesError::Unreachable(format!("{} does not answer: {why}", self.place))
    }
}

/// Whether a request certainly did not get as far as the API.
fn never_left(error: &kube::Error) -> bool {
    let kube::Error::Service(inner) = error else { return false };
    inner.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
}

async fn configuration(name: &str, entry: &inventory::Cluster) -> Result<kube::Config, KubernetesError> {
    if entry.in_cluster {
        return kube::Config::incluster().map_err(|error| {
            KubernetesError::Invalid(format!(
                "cluster {name} is entered as the service account of our pod, and this is no pod of a cluster: {}",
                chain(&error)
            ))
        });
    }
    let (read, from) = match &entry.kubeconfig {
        Some(path) => (Kubeconfig::read_from(path), path.display().to_string()),
        None => (Kubeconfig::read(), "KUBECONFIG or ~/.kube/config".to_owned()),
    };
    let invalid = |why: String| KubernetesError::Invalid(format!("cluster {name}: the kubeconfig ({from}) {why}"));
    let mut file = read.map_err(|error| invalid(format!("cannot be read: {}", chain(&error))))?;
    for user in &mut file.auth_infos {
        let Some(exec) = user.auth_info.as_mut().and_then(|found| found.exec.as_mut()) else { continue };
        // Nobody would see its question.
        if exec.interactive_mode != Some(ExecInteractiveMode::Always) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    let options = KubeConfigOptions { context: entry.context.clone(), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    let config = config.map_err(|error| invalid(format!("does not say how to enter it: {}", chain(&error))))?;
    match config.auth_info.exec.as_ref().map(|exec| exec.interactive_mode.clone()) {
        Some(Some(ExecInteractiveMode::Always)) => Err(invalid(
            "has a program for the credentials that always asks a person (interactiveMode: Always), which a runner cannot \
             answer: log in with one that does not"
                .to_owned(),
        )),
        _ => Ok(config),
    }
}

/// The library waits for the program that gets our credentials with the whole thread, so it has one of its own; one that
/// hangs keeps nobody from going on.
async fn connect(place: &str, config: kube::Config) -> Result<Client, KubernetesError> {
    let runtime = tokio::runtime::Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        // Whoever asked may have given up.
        let _ = sender.send(Client::try_from(config));
    });
    match tokio::time::timeout(CREDENTIALS, receiver).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(kube::Error::Auth(why)))) => {
            Err(KubernetesError::Unreachable(format!("{place}: {}; nothing was sent", credentials(&why))))
        }
        Ok(Ok(Err(error))) => Err(KubernetesError::Invalid(format!("{place} cannot be entered: {}", chain(&error)))),
        Ok(Err(_)) => Err(KubernetesError::Unreachable(format!("{place}: the credentials could not be read"))),
        Err(_) => Err(KubernetesError::Unreachable(format!(
            "{place}: the program that gets our credentials does not come back within {} s; nothing was sent",
            CREDENTIALS.as_secs()
        ))),
    }
}

/// Why there are no credentials. The library's own words would show the program's environment, which may hold a secret.
fn credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
            let said: String = said.chars().take(200).collect();
            format!("the program that gets our credentials failed ({}): {said}", out.status)
        }
        AuthError::AuthExecStart(why) => format!("the program that gets our credentials cannot be started: {why}"),
        AuthError::AuthExecParse(_) => "the program that gets our credentials printed something else".to_owned(),
        other => format!("there are no credentials: {}", chain(other)),
    }
}

/// An error with what is behind it, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text.chars().take(500).collect()
}

#[cfg(test)]
impl Wire {
    /// One that leads to canned answers.
    pub(super) fn replay(answers: super::wire::Replay) -> Self {
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let answers = answers.clone();
            async move {
                let (parts, body) = request.into_parts();
                let media = parts.headers.get("content-type").map(|media| media.to_str().unwrap().to_owned());
                let body = body.collect_bytes().await?;
                let asked = format!("{} {}", parts.method, parts.uri);
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                match answers.answer(&asked, media.as_deref(), &body) {
                    Some((status, body)) => {
                        let body = Body::from(body.to_string().into_bytes());
                        Ok(http::Response::builder().status(status).body(body).unwrap())
                    }
                    None => Err(Box::<dyn std::error::Error + Send + Sync>::from("the connection was closed")),
                }
            }
        });
        Self { client: Client::new(service, "default"), place: "cluster lab (replayed)".to_owned() }
    }
}
