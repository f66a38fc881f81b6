//! Stopping, changing the type of, starting and rebooting an instance of moto's, and the way back from the middle.

use super::scale_out_ec2::{ask, each};
use crate::failover::expect;
use crate::lab::Lab;

fn state(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let first = lab.env("LAB_FIRST_INSTANCE");
    let xml = ask(lab, "ec2", "2016-11-15", &format!("Action=DescribeInstances&InstanceId.1={first}"));
    let state = each(&xml, "instanceState").concat();
    (each(&state, "name"), each(&xml, "instanceType"))
}

fn book(lab: &Lab, last: &str) -> String {
    let first = lab.env("LAB_FIRST_INSTANCE");
    let one = format!("{{ cloud: lab, instances: [{first}] }}");
    let text = format!(
        "name: resize\nversion: 1.0.0\ntitle: Give a machine another type\nowner: t\nlocks: [cloud/lab]\nsteps:\n\
         \x20 - {{ id: look, uses: ec2.status, with: {one} }}\n\
         \x20 - {{ id: stop, uses: ec2.stop, with: {one} }}\n\
         \x20 - {{ id: modify, uses: ec2.modify_type, with: {{ cloud: lab, instance: {first}, instance_type: t3.small }} }}\n\
         \x20 - {{ id: start, uses: ec2.start, with: {one}{last} }}\n\
         \x20 - {{ id: reboot, uses: ec2.reboot, with: {one}, rollback: none, because: it runs as before }}\n"
    );
    let path = lab.dir.join("resize.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn is(state: &str, kind: &str) -> (Vec<String>, Vec<String>) {
    (vec![state.to_owned()], vec![kind.to_owned()])
}

#[test]
fn an_instance_gets_another_type_and_its_own_back_when_a_later_step_fails() {
    let lab = Lab::scene("ec2");
    assert_eq!(state(&lab), is("running", "t3.micro"));
    let failing = book(&lab, ", verify: [{ expr: \"1 == 2\" }]");
    let told = expect(&lab, 10, &["run", &failing, "-y"]);
    assert_eq!(state(&lab), is("running", "t3.micro"), "{told}");
    let good = book(&lab, "");
    expect(&lab, 0, &["run", &good, "-y"]);
    assert_eq!(state(&lab), is("running", "t3.small"));
}

#[test]
fn an_instance_that_runs_gets_no_other_type_and_one_of_a_group_is_left_to_its_group() {
    let lab = Lab::scene("ec2");
    let write = |steps: &str| {
        let text = format!("name: x\nversion: 1.0.0\ntitle: x\nowner: t\nlocks: [cloud/lab]\nsteps:\n  - {steps}\n");
        let path = lab.dir.join("x.yaml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let first = lab.env("LAB_FIRST_INSTANCE");
    let modify = format!(
        "{{ id: a, uses: ec2.modify_type, with: {{ cloud: lab, instance: {first}, instance_type: t3.small }} }}"
    );
    let told = expect(&lab, 1, &["run", &write(&modify), "-y"]);
    assert!(told.contains("stop it first"), "{told}");
    assert_eq!(state(&lab), is("running", "t3.micro"));
    let xml = ask(&lab, "autoscaling", "2011-01-01", "Action=DescribeAutoScalingGroups");
    let of_group = each(&xml, "InstanceId").into_iter().next().unwrap();
    let stop = format!("{{ id: a, uses: ec2.stop, with: {{ cloud: lab, instances: [{of_group}] }} }}");
    let told = expect(&lab, 1, &["run", &write(&stop), "-y"]);
    assert!(told.contains("belongs to the scaling group shop") && told.contains("enter-standby"), "{told}");
}
