//! Mail, to a server on this machine.

use super::*;

/// A mail server on this machine that notes what it is told; `refuses` is what it does not take: a beginning of a command, and
/// what it says then.
async fn post_office(
    offers: &'static str,
    refuses: Option<(&'static str, &'static str)>,
) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("smtp://{}", listener.local_addr().unwrap());
    let heard: Arc<Mutex<String>> = Arc::default();
    let notes = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"220 here\r\n").await.unwrap();
            let mut data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                notes.lock().unwrap().push_str(&format!("{line}\n"));
                let said = match refuses.filter(|(start, _)| line.starts_with(start) && !data) {
                    Some((_, said)) => said.to_owned(),
                    None if data && line == "." => {
                        data = false;
                        "250 taken".to_owned()
                    }
                    None if data => continue,
                    None if line.starts_with("EHLO") => format!("250-here\r\n250-{offers}\r\n250 8BITMIME"),
                    None if line == "DATA" => {
                        data = true;
                        "354 go on".to_owned()
                    }
                    None if line.starts_with("AUTH") => "235 known".to_owned(),
                    None => "250 ok".to_owned(),
                };
                if write.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (address, heard)
}

#[tokio::test]
async fn the_mails_of_a_run_are_one_thread() {
    let (address, heard) = post_office("AUTH PLAIN LOGIN", None).await;
    let text = "{name: a, kind: mail, from: playbook@example.org, to: [dba@example.org, ops@example.org], user: pb, language: zh}";
    let teller = teller(&receiver(text, Some(&address), &["pa ss"])).unwrap();
    let first = tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap();
    assert_eq!(first.as_deref(), Some("<playbook.20261123-020649-f34z@example.org>"));
    let second = tell(teller.as_ref(), &state(), &[ended(9, Verdict::RolledBack)], first.as_deref()).await.unwrap();
    assert_eq!(second, first);
    let heard = heard.lock().unwrap().clone();
    for line in [
        "AUTH PLAIN AHBiAHBhIHNz",
        "MAIL FROM:<playbook@example.org>",
        "RCPT TO:<dba@example.org>",
        "RCPT TO:<ops@example.org>",
        "Message-ID: <playbook.20261123-020649-f34z@example.org>",
        "Message-ID: <playbook.20261123-020649-f34z.9@example.org>",
        "In-Reply-To: <playbook.20261123-020649-f34z@example.org>",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        "Auto-Submitted: auto-generated",
        "Content-Transfer-Encoding: base64",
    ] {
        assert!(heard.lines().any(|heard| heard == line), "{line} is missing:\n{heard}");
    }
    assert!(heard.is_ascii() && heard.lines().all(|line| line.len() < 998));
    use base64::Engine as _;
    let body = heard.split("base64\n\n").nth(2).unwrap().split("\n.\n").next().unwrap().replace('\n', "");
    let body = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(body).unwrap()).unwrap();
    assert!(body.contains("结束，用时 12 s，失败，已回滚：traffic flows") && body.contains("playbook "), "{body}");
}

#[tokio::test]
async fn a_mail_that_a_server_does_not_take_is_tried_again() {
    let text = "{name: a, kind: mail, from: playbook@example.org, to: [dba@example.org, ops@example.org]}";
    for refused in [
        ("MAIL", "451 later"),
        ("RCPT TO:<dba", "450 grey"),
        ("RCPT", "550 nobody"),
        ("DATA", "554 no"),
        ("EHLO", "what is this"),
    ] {
        let (address, heard) = post_office("SIZE 1", Some(refused)).await;
        let teller = teller(&receiver(text, Some(&address), &[])).unwrap();
        let refusal = tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap_err();
        assert_eq!(refusal.then, Then::Later, "{}", refusal.why);
        assert!(!heard.lock().unwrap().contains("Message-ID"), "nobody got half of it");
    }
    // One that is wrong for good keeps nothing from the others.
    let (address, heard) = post_office("SIZE 1", Some(("RCPT TO:<dba", "550 nobody"))).await;
    let teller = teller(&receiver(text, Some(&address), &[])).unwrap();
    tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap();
    assert!(heard.lock().unwrap().contains("Message-ID"));
    // A password is not said to whoever refuses it, nor repeated.
    let (address, _heard) = post_office("AUTH PLAIN", Some(("AUTH", "535 AHBiAHNlc3NhbWU="))).await;
    let text = text.replace("}", ", user: pb}");
    let teller = super::teller(&receiver(&text, Some(&address), &["sesame"])).unwrap();
    let why = tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap_err().why;
    assert!(why.contains("535") && !why.contains("AHBi"), "{why}");
}

#[test]
fn no_password_goes_in_the_clear_beyond_this_machine() {
    let text = "{name: a, kind: mail, from: a@b.c, to: [d@e.f], user: pb}";
    let error = teller(&receiver(text, Some("smtp://mail.example?tls=none"), &["x"])).err().unwrap();
    assert!(error.contains("without TLS"), "{error}");
    assert!(teller(&receiver(text, Some("smtps://mail.example"), &["x"])).is_ok());
}
