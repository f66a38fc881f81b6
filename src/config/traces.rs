//! Where the spans of runs go, as OpenTelemetry has them (`docs/traces.md`): the configuration says it, or else the variables
//! that the rest of the world has for it. What they ask for beyond an endpoint is not done here, and a variable that was set
//! for other programs never keeps a recovery from beginning.

use serde::{Deserialize, Serialize};

use super::notify::{Language, Notify, NotifyKind};
use super::{Config, Wanted, WantedWord};
use crate::value::{REFERENCE_FORMS, Reference};

/// What it is called in the outbox.
pub(super) const NAME: &str = "traces";
/// What a collector listens on.
const PATH: &str = "/v1/traces";
/// How long spans are tried: nobody looks for them later.
const GIVE_UP_AFTER: &str = "1d";

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// The address that takes OTLP over HTTP, as JSON; `/v1/traces` there where it has no path.
    pub endpoint: String,
    /// A reference to the headers that it wants: `name=value`, with commas between them, as in `OTEL_EXPORTER_OTLP_HEADERS`.
    #[serde(default)]
    pub headers: Option<String>,
    /// The proxy that leads there, if one does.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The address of the server as people reach it: each span says where its run is shown.
    #[serde(default)]
    pub link: Option<String>,
}

/// What is wrong with them.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let traces = config.traces.as_ref()?;
    if !is_web(&traces.endpoint) {
        return Some(format!("`traces.endpoint: {}` has to start with https:// or http://", traces.endpoint));
    }
    if traces.headers.as_deref().is_some_and(|headers| Reference::parse(headers).is_err()) {
        // It may be the secret itself: it is not repeated.
        return Some(format!(
            "`traces.headers` takes a reference ({REFERENCE_FORMS}), and never the headers themselves"
        ));
    }
    let link = traces.link.as_deref().filter(|link| !is_web(link))?;
    Some(format!("`traces.link: {link}` has to start with https:// or http://"))
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// Puts what takes spans among those that are told. The environment is passed in, as a test cannot change its own.
pub(super) fn settle(config: &mut Config, variable: impl Fn(&str) -> Option<String>) {
    let traces = config.traces.clone().or_else(|| of_environment(variable));
    config.notify.extend(traces.map(target));
}

/// As the variables of OpenTelemetry say it. `grpc` is not spoken here: what listens for that is not asked.
fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Traces> {
    let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let first = |names: [&str; 2]| names.into_iter().find_map(set);
    let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value != "otlp");
    let protocol = first(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
    if is_off || protocol.is_some_and(|protocol| protocol == "grpc") {
        return None;
    }
    // The one for traces is taken as it is, with the usual path where it has none; the other is where all signals go.
    let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}{PATH}", base.trim_end_matches('/'))));
    let endpoint = endpoint.filter(|endpoint| is_web(endpoint))?;
    let headers = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let headers = headers.into_iter().find(|name| set(name).is_some()).map(|name| format!("env:{name}"));
    Some(Traces { endpoint, headers, proxy: None, link: None })
}

fn target(traces: Traces) -> Notify {
    let behind = traces.endpoint.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let address = match behind.contains('/') {
        true => traces.endpoint,
        false => format!("{}{PATH}", traces.endpoint.trim_end_matches('/')),
    };
    Notify {
        name: NAME.to_owned(),
        kind: NotifyKind::Traces,
        address: Some(address),
        secret: traces.headers.into_iter().collect(),
        events: Some(Wanted::Word(WantedWord::All)),
        playbooks: Vec::new(),
        environments: Vec::new(),
        language: Language::En,
        channel: None,
        from: None,
        to: Vec::new(),
        user: None,
        command: None,
        proxy: traces.proxy,
        give_up_after: Some(GIVE_UP_AFTER.to_owned()),
        link: traces.link.map(|link| link.trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(traces: Option<Traces>, variables: &[(&str, &str)]) -> Vec<Notify> {
        let mut config = Config { traces, ..Config::default() };
        let found = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        settle(&mut config, found);
        config.notify
    }

    fn address(variables: &[(&str, &str)]) -> Option<String> {
        settled(None, variables).first().and_then(|notify| notify.address.clone())
    }

    #[test]
    fn the_variables_of_opentelemetry_are_understood() {
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let told = |variables: &[(&str, &str)]| address(variables).unwrap_or_default();
        assert_eq!(address(&[]), None);
        assert_eq!(told(&[(BASE, "http://c:4318")]), "http://c:4318/v1/traces");
        assert_eq!(told(&[(BASE, "http://c/otlp/")]), "http://c/otlp/v1/traces");
        assert_eq!(told(&[(BASE, "http://c:4318"), (TRACES, "http://t/here")]), "http://t/here");
        assert_eq!(told(&[(TRACES, "http://t:4318")]), "http://t:4318/v1/traces");
        for off in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            (TRACES, "c:4317"),
        ] {
            assert_eq!(address(&[(BASE, "http://c:4318"), off]), None, "{off:?}");
        }
        let with = settled(None, &[(BASE, "http://c"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2")]);
        assert_eq!(with[0].secret, ["env:OTEL_EXPORTER_OTLP_HEADERS"], "what they hold is read when it is sent");
    }

    #[test]
    fn the_configuration_goes_before_them() {
        let traces = |endpoint: &str| {
            Some(Traces {
                endpoint: endpoint.to_owned(),
                headers: None,
                proxy: None,
                link: Some("https://p/".to_owned()),
            })
        };
        let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other")];
        let here = settled(traces("https://c"), &environment);
        assert_eq!(here.len(), 1);
        assert_eq!(here[0].address.as_deref(), Some("https://c/v1/traces"));
        assert_eq!(here[0].link.as_deref(), Some("https://p"));
        assert_eq!(settled(traces("https://c/as/is"), &environment)[0].address.as_deref(), Some("https://c/as/is"));
    }
}
