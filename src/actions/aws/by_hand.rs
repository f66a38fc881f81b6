//! What a person types: AWS's own command line, with the cloud's region and profile.

use super::seen::Verb;
use crate::actions::by_hand::{comment, value, word};
use crate::inventory::Inventory;
use crate::value::{Value, why_unknown};

/// `aws`, as it asks this cloud.
fn aws(inventory: &Inventory, arguments: &Value, service: &str) -> String {
    let Some(cloud) = inventory.clouds.get(&value(arguments, "cloud")) else { return format!("aws {service}") };
    let mut line = format!("aws --region {}", word(&cloud.region));
    if let Some(profile) = &cloud.profile {
        line.push_str(&format!(" --profile {}", word(profile)));
    }
    if let Some(endpoint) = &cloud.endpoint {
        line.push_str(&format!(" --endpoint-url {}", word(endpoint)));
    }
    format!("{line} {service}")
}

/// The items of a list, each a word.
fn list(arguments: &Value, name: &str) -> Vec<String> {
    match arguments.get(name) {
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match (item.as_str(), why_unknown(item)) {
                (Some(text), _) => text.to_owned(),
                (_, why) => format!("<{}>", why.unwrap_or("not known yet")),
            })
            .collect(),
        _ => vec![value(arguments, name)],
    }
}

fn words(arguments: &Value, name: &str) -> String {
    list(arguments, name).iter().map(|item| word(item)).collect::<Vec<_>>().join(" ")
}

fn given<'a>(arguments: &'a Value, name: &str) -> Option<&'a Value> {
    arguments.get(name).filter(|value| !value.is_null())
}

/// `ec2.launch`.
pub(super) fn launch(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let ec2 = aws(inventory, arguments, "ec2");
    let template = value(arguments, "template");
    let key = if template.starts_with("lt-") { "LaunchTemplateId" } else { "LaunchTemplateName" };
    let version = value(arguments, "version");
    let mut line = format!(
        "{ec2} run-instances --launch-template {} --count {}",
        word(&format!("{key}={template},Version={version}")),
        word(&value(arguments, "count"))
    );
    for (name, option) in [("subnet", "--subnet-id"), ("instance_type", "--instance-type")] {
        if given(arguments, name).is_some() {
            line.push_str(&format!(" {option} {}", word(&value(arguments, name))));
        }
    }
    line.push_str(" --client-token <a word of your own: the same again launches nothing twice>");
    vec![
        format!("{line} --dry-run"),
        comment(
            "DryRunOperation means that it would be done; then the same without --dry-run, and with the ids that it prints:",
        ),
        format!("{ec2} wait instance-running --instance-ids <the new ids>"),
        comment("to undo it:"),
        format!("{ec2} terminate-instances --instance-ids <the new ids>"),
    ]
}

/// `ec2.start`, `ec2.stop`, `ec2.reboot`.
pub(super) fn power(inventory: &Inventory, arguments: &Value, verb: Verb) -> Vec<String> {
    let (ec2, ids) = (aws(inventory, arguments, "ec2"), words(arguments, "instances"));
    let mut lines = vec![format!("{ec2} {}-instances --instance-ids {ids}", verb.word())];
    match verb {
        Verb::Start => lines.push(format!("{ec2} wait instance-running --instance-ids {ids}")),
        Verb::Stop => lines.push(format!("{ec2} wait instance-stopped --instance-ids {ids}")),
        Verb::Reboot | Verb::Terminate => {}
    }
    lines
}

/// `ec2.modify_type`.
pub(super) fn modify_type(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let (ec2, id) = (aws(inventory, arguments, "ec2"), word(&value(arguments, "instance")));
    let kind = format!("Value={}", value(arguments, "instance_type"));
    vec![
        comment("it has to be stopped:"),
        format!(
            "{ec2} describe-instances --instance-ids {id} --query 'Reservations[].Instances[].[State.Name,InstanceType]' --output text"
        ),
        format!("{ec2} modify-instance-attribute --instance-id {id} --instance-type {}", word(&kind)),
    ]
}

/// `ec2.status`.
pub(super) fn status(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let (ec2, ids) = (aws(inventory, arguments, "ec2"), words(arguments, "instances"));
    let query = "'Reservations[].Instances[].[InstanceId,State.Name,InstanceType,PrivateIpAddress]'";
    vec![format!("{ec2} describe-instances --instance-ids {ids} --query {query} --output text")]
}

/// `ec2.healthy`.
pub(super) fn healthy(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let mut lines = status(inventory, arguments);
    let port = value(arguments, "port");
    lines.push(comment("for each of the addresses:"));
    lines.push(match given(arguments, "http_path") {
        Some(_) => {
            let url = format!("http://<its address>:{port}{}", value(arguments, "http_path"));
            format!("curl -sSf -o /dev/null -w '%{{http_code}}\\n' {}", word(&url))
        }
        None => format!("nc -z <its address> {}", word(&port)),
    });
    lines
}

/// `ec2.register`, `ec2.deregister`.
pub(super) fn target(inventory: &Inventory, arguments: &Value, wanted: bool) -> Vec<String> {
    let elb = aws(inventory, arguments, "elbv2");
    let group = value(arguments, "target_group");
    let mut lines = Vec::new();
    let arn = if group.starts_with("arn:") {
        word(&group)
    } else {
        let query = "--query 'TargetGroups[0].TargetGroupArn' --output text";
        format!("\"$({elb} describe-target-groups --names {} {query})\"", word(&group))
    };
    let port = given(arguments, "port").map_or(String::new(), |_| format!(",Port={}", value(arguments, "port")));
    let targets: Vec<String> = list(arguments, "instances").iter().map(|id| word(&format!("Id={id}{port}"))).collect();
    let verb = if wanted { "register-targets" } else { "deregister-targets" };
    lines.push(format!("{elb} {verb} --target-group-arn {arn} --targets {}", targets.join(" ")));
    lines.push(comment(if wanted { "until each is healthy:" } else { "until they are not listed any more:" }));
    lines.push(format!("{elb} describe-target-health --target-group-arn {arn}"));
    lines
}
