//! What a person types at a cluster on the day on which the runner is the casualty. It runs nothing.

use crate::actions::by_hand::{comment, value, word};
use crate::inventory::Inventory;
use crate::value::Value;

/// `kubectl` with the way into the cluster that the arguments name.
pub(super) fn prefix(inventory: &Inventory, arguments: &Value) -> String {
    let name = value(arguments, "cluster");
    let Some(cluster) = inventory.clusters.get(&name) else {
        return format!("kubectl --context {}", word(&format!("<that of cluster {name}>")));
    };
    let mut line = "kubectl".to_owned();
    if let Some(file) = &cluster.kubeconfig {
        line.push_str(&format!(" --kubeconfig {}", word(&file.display().to_string())));
    }
    if let Some(context) = &cluster.context {
        line.push_str(&format!(" --context {}", word(context)));
    }
    line
}

/// The namespace of what the arguments are about, as kubectl takes it.
pub(super) fn namespace(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let own = inventory.clusters.get(&value(arguments, "cluster")).and_then(|cluster| cluster.namespace.clone());
    let given = arguments.get("namespace").filter(|given| !given.is_null()).map(|_| value(arguments, "namespace"));
    given.or(own).map_or(Vec::new(), |namespace| vec!["-n".to_owned(), namespace])
}

/// Lines of kubectl, and what is good to see then.
pub(super) fn lines(inventory: &Inventory, arguments: &Value, commands: &[&[&str]], good: &str) -> Vec<String> {
    let start = prefix(inventory, arguments);
    let line = |words: &&[&str]| {
        let words = words.iter().map(|text| word(text)).collect::<Vec<_>>();
        format!("{start} {}", words.join(" "))
    };
    commands.iter().map(line).chain([comment(good)]).collect()
}
