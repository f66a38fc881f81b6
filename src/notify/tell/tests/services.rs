//! What each service is sent, and what its answers mean.

use super::*;

#[tokio::test]
async fn a_webhook_is_signed_as_the_standard_says_also_while_secrets_change() {
    let web = Web::answers(&[&answer("202 Accepted", "")]).await;
    let (new, old) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let told = receiver("{name: a, kind: webhook}", Some(&format!("{}/hook?k=1", web.address)), &[new, old]);
    let teller = teller(&told).unwrap();
    tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap();
    let asked = web.asked().remove(0);
    assert_eq!((asked.path.as_str(), asked.header("webhook-id")), ("/hook?k=1", Some("20261123-020649-f34z:3")));
    assert_eq!(asked.header("webhook-timestamp"), Some("1700000000"));
    let signatures: Vec<&str> = asked.header("webhook-signature").unwrap().split(' ').collect();
    for (secret, signature) in [new, old].iter().zip(&signatures) {
        let key = crate::config::webhook_key(secret).unwrap();
        let expected = sign::webhook(&[key], "20261123-020649-f34z:3", 1_700_000_000, &asked.body);
        assert_eq!(*signature, expected);
    }
    assert_eq!(signatures.len(), 2);
    assert_eq!(asked.json()["data"]["seq"], 3);
    assert_eq!(asked.json()["type"], "playbook.record");
}

#[tokio::test]
async fn what_a_status_means_and_that_no_redirect_is_followed() {
    let moved = "HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let later = "HTTP/1.1 429 No\r\nretry-after: 33\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (said, then) in [
        (answer("410 Gone", ""), Then::Gone),
        (answer("404 Not Found", "nobody"), Then::Later),
        (answer("500 No", "busy"), Then::Later),
        (later.to_owned(), Then::After(33)),
        (answer("429 No", ""), Then::After(60)),
        (moved.to_owned(), Then::Later),
        ("\0\0garbage that is no HTTP".to_owned(), Then::Later),
    ] {
        let web = Web::answers(&[&said]).await;
        let address = format!("{}/hook/token-of-many-letters", web.address);
        let teller = teller(&receiver("{name: a, kind: webhook}", Some(&address), &[])).unwrap();
        let refusal = tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap_err();
        assert_eq!(refusal.then, then, "{said}");
        assert!(!refusal.why.contains("token-of"), "{}", refusal.why);
        assert_eq!(web.asked().len(), 1);
        assert_eq!(web.asked()[0].header("webhook-signature"), None);
    }
}

#[tokio::test]
async fn a_large_record_is_sent_without_what_is_large_in_it() {
    let web = Web::answers(&[&answer("200 OK", "")]).await;
    let teller = teller(&receiver("{name: a, kind: webhook}", Some(&web.address), &[])).unwrap();
    let state = state();
    let large = "x".repeat(500_000);
    let record = json!({ "seq": 7, "text": large, "detail": { "output": large } });
    let new = [Item { seq: 7, moment: None, record, spans: Vec::new() }];
    let story = Story { about: About::Run(&state), new: &new, moments: &[], id: "r:7", message: None, at: AT };
    teller.tell(&story).await.unwrap();
    let body = web.asked()[0].json();
    assert_eq!(body["data"]["detail"], Value::Null);
    assert!(body["data"]["left_out"].as_str().unwrap().contains("bytes"));
    assert!(body["data"]["text"].as_str().unwrap().len() <= 20_000, "the text of a note too");
}

#[tokio::test]
async fn dingtalk_gets_its_sign_and_only_its_zero_is_a_yes() {
    let web = Web::answers(&[
        &answer("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#),
        &answer("200 OK", r#"{"errcode":310000,"errmsg":"sign not match"}"#),
        &answer("200 OK", r#"{"errcode":130101,"errmsg":"send too fast"}"#),
        &answer("200 OK", "<html>a proxy's page</html>"),
    ])
    .await;
    let address = format!("{}/robot/send?access_token=abc", web.address);
    let teller = teller(&receiver("{name: a, kind: dingtalk}", Some(&address), &["SECdemo"])).unwrap();
    let hostile = failed(2, "@all <@U1> [x](https://evil.example)");
    tell(teller.as_ref(), &state(), std::slice::from_ref(&hostile), None).await.unwrap();
    let asked = web.asked().remove(0);
    assert_eq!(
        asked.path,
        "/robot/send?access_token=abc&timestamp=1700000000000&sign=lOvVf9TQCVugV68mGbSZCg0gzOl1SVjxWi1MyVZCUuA%3D"
    );
    let body = asked.json();
    assert_eq!(body["msgtype"], "text", "no Markdown: nothing in it can be a mark");
    assert_eq!(body["at"]["isAtAll"], false);
    assert!(!body["text"]["content"].as_str().unwrap().contains("https://"));
    for then in [Then::Later, Then::After(600), Then::Later] {
        let refusal = tell(teller.as_ref(), &state(), std::slice::from_ref(&hostile), None).await.unwrap_err();
        assert_eq!(refusal.then, then, "{}", refusal.why);
    }
}

#[tokio::test]
async fn feishu_gets_its_sign_and_only_its_zero_is_a_yes() {
    let web = Web::answers(&[
        &answer("200 OK", r#"{"code":0,"msg":"success"}"#),
        &answer("200 OK", r#"{"StatusCode":0,"StatusMessage":"success"}"#),
        &answer("200 OK", r#"{"code":19021,"msg":"sign match fail"}"#),
        &answer("200 OK", r#"{"code":11232,"msg":"frequency limited"}"#),
    ])
    .await;
    let told = receiver("{name: a, kind: feishu, language: zh}", Some(&web.address), &["demo"]);
    let teller = teller(&told).unwrap();
    let hostile = [failed(2, "<at user_id=\"all\">everybody</at>")];
    tell(teller.as_ref(), &state(), &hostile, None).await.unwrap();
    let body = web.asked()[0].json();
    assert_eq!(body["timestamp"], "1700000000");
    assert_eq!(body["sign"], "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=");
    let lines = body["content"]["post"]["zh_cn"]["content"].as_array().unwrap();
    assert!(lines.iter().all(|line| line[0]["tag"] == "text"), "elements of text are shown as they are");
    assert!(body.to_string().contains("失败"), "{body}");
    tell(teller.as_ref(), &state(), &hostile, None).await.unwrap();
    let refusal = tell(teller.as_ref(), &state(), &hostile, None).await.unwrap_err();
    assert!(refusal.then == Then::Later && refusal.why.contains("sign match fail"), "{}", refusal.why);
    assert_eq!(tell(teller.as_ref(), &state(), &hostile, None).await.unwrap_err().then, Then::After(60));
}

#[tokio::test]
async fn wecom_gets_no_more_than_it_takes_and_no_marks_of_others() {
    let web = Web::answers(&[&answer("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#)]).await;
    let teller = teller(&receiver("{name: a, kind: wecom}", Some(&web.address), &[])).unwrap();
    let many: Vec<Moment> =
        (2..500).map(|seq| failed(seq, "<@everybody> [here](http://evil.example) `x` **b** 数据库")).collect();
    tell(teller.as_ref(), &state(), &many, None).await.unwrap();
    let body = web.asked()[0].json();
    let content = body["markdown"]["content"].as_str().unwrap();
    assert!(content.len() <= 4096, "{}", content.len());
    assert!(content.contains("earlier ones are left out") && content.contains("web499"), "{content}");
    assert!(!content.contains("<@") && !content.contains("](") && !content.contains("**") && !content.contains("://"));
    assert!(content.ends_with("`playbook status 20261123-020649-f34z`"), "{content}");
}

#[tokio::test]
async fn slack_has_one_message_a_run_which_is_edited() {
    let web = Web::answers(&[
        &answer("200 OK", r#"{"ok":true,"channel":"C1","ts":"1.5"}"#),
        &answer("200 OK", r#"{"ok":true,"channel":"C1","ts":"1.5"}"#),
        &answer("200 OK", r#"{"ok":false,"error":"message_not_found"}"#),
        &answer("200 OK", r#"{"ok":true,"channel":"C1","ts":"2.5"}"#),
        &answer("200 OK", r#"{"ok":false,"error":"invalid_auth"}"#),
        &answer("200 OK", "<html>no</html>"),
    ])
    .await;
    let told = receiver("{name: a, kind: slack, channel: ops}", Some(&format!("{}/api", web.address)), &["xoxb-1"]);
    let teller = teller(&told).unwrap();
    let mut state = state();
    Arc::make_mut(&mut state.plan).playbook.title = "<!here>".to_owned();
    let first =
        tell(teller.as_ref(), &state, &[failed(2, "<!channel> & <https://evil.example|x>")], None).await.unwrap();
    assert_eq!(first.as_deref(), Some("C1 1.5"));
    let task = Task::of(&"promote".parse().unwrap());
    let message = "it did not come up".to_owned();
    state.question = Some(Question { task, kind: QuestionKind::StepFailed, message, deadline: None });
    let both = [failed(2, "x"), asks(3)];
    let again = tell(teller.as_ref(), &state, &both, first.as_deref()).await.unwrap();
    assert_eq!(again, first);
    let third = tell(teller.as_ref(), &state, &both, first.as_deref()).await.unwrap();
    assert_eq!(third.as_deref(), Some("C1 2.5"), "one that was deleted is written anew");
    let asked = web.asked();
    let paths: Vec<&str> = asked.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/api/chat.postMessage", "/api/chat.update", "/api/chat.update", "/api/chat.postMessage"]);
    assert_eq!(asked[0].header("authorization"), Some("Bearer xoxb-1"));
    let (post, edit) = (asked[0].json(), asked[1].json());
    assert_eq!(
        (post["channel"].as_str(), edit["channel"].as_str(), edit["ts"].as_str()),
        (Some("ops"), Some("C1"), Some("1.5"))
    );
    assert_eq!((&post["parse"], &post["link_names"]), (&json!("none"), &json!(false)));
    assert!(post["text"].as_str().unwrap().contains("&lt;!here&gt;"), "{post}");
    assert!(!post["text"].as_str().unwrap().contains('<'), "{post}");
    assert!(post.to_string().contains("<!channel>"), "an element of text is shown as it is");
    assert!(!post.to_string().contains("\"mrkdwn\",") && !post.to_string().contains("https://"));
    assert!(edit.to_string().contains("playbook resolve 20261123-020649-f34z promote --retry"), "{edit}");
    for _ in 0..2 {
        assert_eq!(tell(teller.as_ref(), &state, &both, None).await.unwrap_err().then, Then::Later);
    }
}

#[tokio::test]
async fn an_incoming_webhook_of_slack_says_ok() {
    let web = Web::answers(&[&answer("200 OK", "ok"), &answer("200 OK", "no_text"), &answer("403 No", "x")]).await;
    let teller = teller(&receiver("{name: a, kind: slack}", Some(&web.address), &[])).unwrap();
    assert_eq!(tell(teller.as_ref(), &state(), &[asks(2)], None).await.unwrap(), None);
    assert!(tell(teller.as_ref(), &state(), &[asks(2)], None).await.is_err());
    assert!(tell(teller.as_ref(), &state(), &[asks(2)], None).await.is_err());
}

#[tokio::test]
async fn pagerduty_has_one_incident_a_run_and_changes() {
    let web = Web::answers(&[&answer("202 Accepted", r#"{"status":"success","dedup_key":"x"}"#)]).await;
    let teller = teller(&receiver("{name: a, kind: pagerduty}", Some(&web.address), &["R0"])).unwrap();
    let state = state();
    let began = moment(1, What::Began { overrides: Vec::new() });
    let answered = moment(4, What::Requested { request: crate::notify::moment::Wish::Abort, reason: "x".to_owned() });
    for one in
        [began, asks(3), answered, moment(5, What::Checkpoint { name: "c".to_owned() }), ended(6, Verdict::Succeeded)]
    {
        tell(teller.as_ref(), &state, &[one], None).await.unwrap();
    }
    tell(teller.as_ref(), &state, &[ended(6, Verdict::Incomplete)], None).await.unwrap();
    let sent: Vec<(String, Value)> = web.asked().iter().map(|request| (request.path.clone(), request.json())).collect();
    let words: Vec<String> = sent
        .iter()
        .map(|(path, body)| match path.as_str() {
            "/v2/change/enqueue" => "change".to_owned(),
            _ => body["event_action"].as_str().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(words, ["change", "trigger", "acknowledge", "resolve", "change", "trigger", "change"]);
    assert!(sent.iter().all(|(_, body)| body["routing_key"] == "R0"));
    let events = sent.iter().filter(|(path, _)| path == "/v2/enqueue");
    assert!(events.into_iter().all(|(_, body)| body["dedup_key"] == "playbook-20261123-020649-f34z"));
    let trigger = &sent[1].1["payload"];
    assert_eq!((trigger["severity"].as_str(), trigger["component"].as_str()), (Some("error"), Some("db-failover")));
    assert_eq!(trigger["timestamp"], "2023-11-14T22:13:23Z");
    let web = Web::answers(&[&answer("200 OK", "fine")]).await;
    let teller = super::teller(&receiver("{name: a, kind: pagerduty}", Some(&web.address), &["R0"])).unwrap();
    assert!(tell(teller.as_ref(), &state, &[asks(3)], None).await.is_err(), "a page of a proxy is no yes");
}

#[tokio::test]
async fn a_program_is_told_on_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let text = format!(
        "{{name: a, kind: command, command: [sh, -c, 'cat > {0}; echo $PLAYBOOK_MESSAGE_ID $PLAYBOOK_SECRET >> {0}']}}",
        file.display()
    );
    let teller = teller(&receiver(&text, None, &["s3"])).unwrap();
    tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap();
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(told.contains("\"type\":\"playbook.record\"") && told.ends_with("20261123-020649-f34z:3 s3\n"), "{told}");
    let failing = super::teller(&receiver("{name: a, kind: command, command: ['false']}", None, &[])).unwrap();
    assert!(tell(failing.as_ref(), &state(), &[asks(3)], None).await.unwrap_err().why.contains("failed"));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_at_its_limit() {
    tokio::time::pause();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let teller = teller(&receiver("{name: a, kind: webhook}", Some(&address), &[])).unwrap();
    let began = tokio::time::Instant::now();
    let refusal = tell(teller.as_ref(), &state(), &[asks(3)], None).await.unwrap_err();
    assert!(refusal.why.contains("took longer than 10 s"), "{}", refusal.why);
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[test]
fn what_people_are_told_in_both_languages() {
    let mut state = state();
    let task = Task::of(&"promote".parse().unwrap());
    let message = "it did not come up".to_owned();
    state.question = Some(Question { task, kind: QuestionKind::UndoFailed, message, deadline: None });
    let approval = What::Approval {
        task: "hold".to_owned(),
        message: "set ready/db1 to drain".to_owned(),
        roles: vec!["dba".to_owned()],
        min: 2,
        deadline: Some(Time(AT.0 + 300_000)),
    };
    let approved =
        What::Approved { task: "hold".to_owned(), reason: "seen".to_owned(), break_glass: false, complete: false };
    let moments = [
        moment(1, What::Began { overrides: vec![("freeze".to_owned(), "the site is down".to_owned())] }),
        moment(3, approval),
        moment(4, approved),
        moment(5, What::Crossed { task: "promote".to_owned() }),
        failed(6, "connection refused"),
        moment(7, What::Undoing { to: None, because: "restart@web6 failed".to_owned() }),
        asks(8),
        ended(9, Verdict::Incomplete),
    ];
    for (language, name) in [(Language::En, "english"), (Language::Zh, "chinese")] {
        let message = crate::notify::text::message(&state, &moments, language);
        insta::assert_snapshot!(name, message.text(4096, |piece| piece.text.clone()));
    }
}
