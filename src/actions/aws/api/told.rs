//! What an error of the SDK means: whether anything was sent, whether anything was done, and what a person does about it.
//! What leaves that open is told as lost, never as refused.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::super::AwsError;
use super::Cloud;

/// How much of AWS's own words is repeated.
const WORDS: usize = 600;

/// An error of the SDK in our words; `what` was asked, such as `the launch (RunInstances)`.
pub(in crate::actions::aws) fn told<E>(cloud: &Cloud, what: &str, error: SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let place = cloud.place();
    match error {
        SdkError::ServiceError(said) => {
            let (status, id) = (said.raw().status().as_u16(), request_id(said.raw()));
            let (code, words) = (said.err().code().unwrap_or_default(), said.err().message().unwrap_or_default());
            answered(&Answer { place: &place, what, status, code, words, id: &id })
        }
        SdkError::ResponseError(said) => AwsError::Lost(format!(
            "{what} at {place}: the answer (HTTP {}) cannot be read, so nobody knows what became of it",
            said.raw().status().as_u16()
        )),
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
            not_answered(&place, what, &chain(&error))
        }
        other => AwsError::Lost(format!("{what} at {place}: {}", chain(&other))),
    }
}

/// An answer that says no.
struct Answer<'a> {
    place: &'a str,
    what: &'a str,
    status: u16,
    code: &'a str,
    words: &'a str,
    id: &'a str,
}

fn answered(answer: &Answer<'_>) -> AwsError {
    let Answer { place, what, status, code, words, id } = *answer;
    let words: String = words.chars().filter(|letter| !letter.is_control()).take(WORDS).collect();
    let said = if code.is_empty() { format!("HTTP {status}") } else { format!("{code}: {words}{id}") };
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete" => AwsError::Throttled(format!(
            "{what} at {place}: AWS says that this account asks too often ({said}), also after waiting; nothing was done"
        )),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "AuthFailure"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature" => AwsError::Expired(format!(
            "{what} at {place}: AWS does not take these credentials ({said}); nothing was done. Log in again (aws sso login), or \
             renew the keys; where the clock of this machine is wrong, every signature has expired"
        )),
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "OptInRequired"
        | "Blocked"
        | "Client.UnauthorizedOperation" => AwsError::Denied(format!(
            "{what} at {place}: these credentials may not do this ({said}); nothing was done. Whoever manages the account has to \
                 allow it, or another profile is needed; an encoded message is read with: aws sts decode-authorization-message \
                 --encoded-message TEXT"
        )),
        "" if !(400..500).contains(&status) => AwsError::Lost(format!(
            "{what} at {place}: the answer ({said}) cannot be read; nobody knows whether it was carried out"
        )),
        _ if leaves_open(status, code) => AwsError::Lost(format!(
            "{what} at {place}: a fault of AWS's own ({said}); nobody knows whether it was carried out"
        )),
        _ => AwsError::Refused { code: code.to_owned(), text: format!("{what} at {place}: {said}{}", advice(code)) },
    }
}

/// Whether this answer leaves open what was done. A lack of capacity comes with status 500 too, and leaves nothing open.
fn leaves_open(status: u16, code: &str) -> bool {
    let certain = code.starts_with("Insufficient") || code == "Unsupported" || code == "DryRunOperation";
    let vague = ["InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable"];
    !certain && (!(400..500).contains(&status) || vague.contains(&code))
}

/// What a person does about it, where AWS's own words leave that open.
fn advice(code: &str) -> &'static str {
    match code {
        "InsufficientInstanceCapacity" | "InsufficientHostCapacity" => {
            ". AWS has no machine of this type there now; nothing was launched. Take a subnet in another zone, another instance type, \
             or wait: this is not a limit of the account"
        }
        "VcpuLimitExceeded" | "InstanceLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            ". The account's limit is reached; nothing was launched. Ask for more in Service Quotas (an increase may take hours), end \
             what nobody needs, or take a smaller type or another region"
        }
        "IdempotentParameterMismatch" => {
            ". This very step already launched with other parameters; nothing was launched now. See what it launched by its tag \
             playbook:key before anything else is done"
        }
        "InsufficientFreeAddressesInSubnet" => ". Nothing was launched: take another subnet, or free addresses in it",
        _ => "",
    }
}

/// No answer came: whether anything was sent decides what that means.
fn not_answered(place: &str, what: &str, why: &str) -> AwsError {
    const CREDENTIALS: [&str; 5] = [
        "no providers in chain",
        "credentials provider",
        "credential provider",
        "failed to load credentials",
        "loading credentials",
    ];
    // The SDK has no word for this difference, only what its HTTP client wrote into the chain of causes.
    const BEFORE: [&str; 4] = ["client error (Connect)", "HTTP connect timeout", "dns error", "tcp connect error"];
    if CREDENTIALS.iter().any(|word| why.contains(word)) {
        return AwsError::Expired(format!(
            "{what} at {place}: there are no credentials, or they cannot be had ({why}); nothing was sent. They are looked for as AWS's \
             own tools do: environment, profile (aws sso login), container, instance"
        ));
    }
    if BEFORE.iter().any(|word| why.contains(word)) {
        return AwsError::Unreachable(format!("{what} at {place}: AWS cannot be reached, so nothing was sent: {why}"));
    }
    AwsError::Lost(format!(
        "{what} at {place}: it was sent, and no answer came, so nobody knows what became of it: {why}"
    ))
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        next = cause.source();
    }
    said.join(": ").chars().take(WORDS).collect()
}

/// What AWS's support finds a request by.
fn request_id(raw: &HttpResponse) -> String {
    let id = ["x-amzn-requestid", "x-amz-request-id"].iter().find_map(|name| raw.headers().get(name));
    id.map(|id| format!(" (request {id})")).unwrap_or_default()
}
