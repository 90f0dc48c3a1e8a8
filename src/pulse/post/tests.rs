use super::*;

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().into()
}

fn read(body: &str) -> Result<Post, Invalid> {
    Post::read(body.as_bytes(), now())
}

#[test]
fn everything_is_optional_and_unknown_fields_are_ignored() {
    for nothing in ["", " \n", "{}", r#"{"mood":[1,{"a":null}]}"#, r#"{"status":null,"cycle":null,"busyUntil":null}"#] {
        assert_eq!(read(nothing), Ok(Post::default()), "{nothing}");
    }
    let all = r#"{"status":"thinking","cycle":7,"model":"m","task":"t","provider":"ok","busyUntil":"2026-03-01T12:01:00Z"}"#;
    let post = Post {
        status: Some("thinking".into()),
        cycle: Some(7),
        task: Some("t".into()),
        provider: Some("ok".into()),
        busy_seconds: Some(60),
    };
    assert_eq!(read(all), Ok(post));
}

#[test]
fn a_wrong_type_is_refused_by_name() {
    let wrong = [
        (r#"{"status":1}"#, "`status` must be text"),
        (r#"{"model":{}}"#, "`model` must be text"),
        (r#"{"task":[]}"#, "`task` must be text"),
        (r#"{"provider":true}"#, "`provider` must be text"),
        (r#"{"cycle":-1}"#, "`cycle` must be a whole number from 0"),
        (r#"{"cycle":1.5}"#, "`cycle` must be a whole number from 0"),
        (r#"{"cycle":18446744073709551616}"#, "`cycle` must be a whole number from 0"),
        (r#"{"busyUntil":5}"#, "`busyUntil` must be a time as text, for example 2026-01-31T12:00:00Z"),
        ("[]", "the body is not a JSON object"),
        ("{\"status\":\"a", "the body is not a JSON object"),
        ("\u{0}\u{1}", "the body is not a JSON object"),
    ];
    for (body, message) in wrong {
        assert_eq!(read(body).unwrap_err().to_string(), message, "{body}");
    }
    assert_eq!(Post::read(&[b'['; LONGEST_POST], now()), Err(Invalid::NoObject));
    assert_eq!(Post::read(&[0xff; 64], now()), Err(Invalid::NoObject));
}

#[test]
fn busy_is_a_span_from_now_within_a_day() {
    for (moment, seconds) in [
        ("2026-03-01T11:59:00Z", 0),
        ("2026-03-01T13:00:30+01:00", 30),
        ("9999-12-31T23:59:59Z", LONGEST_BUSY),
        ("tomorrow", 0),
        ("", 0),
    ] {
        let post = read(&format!(r#"{{"busyUntil":"{moment}"}}"#)).unwrap();
        assert_eq!(post.busy_seconds, Some(seconds), "{moment}");
    }
}

#[test]
fn texts_are_shortened_and_cleaned() {
    let post = read(&format!(r#"{{"status":"a\u0007\n{}"}}"#, "é".repeat(200))).unwrap();
    assert_eq!(post.status.unwrap(), format!("a{}", "é".repeat(63)));
}
