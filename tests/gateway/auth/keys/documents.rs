//! Responses of the key server that the gateway can't use.

use codepipeline_gateway::auth::{Access, HttpsUrl, KeySource};

use super::{JWKS, by_url, described};
use crate::harness::key_server::{KeyServer, Reply};
use crate::harness::loopback;
use crate::harness::tokens::{Signer, set};

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_key_set_is_an_error() {
    let server = KeyServer::start().await;
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    let rows = [
        (Reply::Redirect(format!("{}/elsewhere", server.url)), "HTTP status 302"),
        (Reply::Status(404, String::new()), "HTTP status 404"),
        (Reply::Status(500, "fake-secret of the server".into()), "HTTP status 500"),
        (Reply::Status(203, set(&[&Signer::p256("one")])), "HTTP status 203"),
        (Reply::Document(huge), "length limit exceeded"),
        (Reply::Document("<html>a portal</html>".into()), "the document isn't a JSON Web Key Set"),
        (Reply::Document("null".into()), "the document isn't a JSON Web Key Set"),
        (Reply::Document(r#"{"keys":{}}"#.into()), "the document isn't a JSON Web Key Set"),
        (Reply::Document(r#"{"keys":[]}"#.into()), "the key set has no usable key"),
        (
            Reply::Document(r#"{"keys":[7,{}]}"#.into()),
            "the key set has no usable key (2 skipped: not a key, no id)",
        ),
    ];
    server.document("/elsewhere", set(&[&Signer::p256("one")]));
    for (reply, why) in rows {
        server.reply(JWKS, reply.clone());
        let error = described(by_url(&server)).await.unwrap_err();
        let what = format!("{reply:?}").chars().take(80).collect::<String>();
        assert!(
            error.starts_with(&format!("{}{JWKS}: ", server.url)) && error.ends_with(why),
            "{what}: {error}"
        );
    }
    assert!(server.fetches().iter().all(|fetch| fetch.path == JWKS), "the gateway follows no redirect");
}

/// The paused clock advances while all tasks wait, so the ten seconds take no time.
#[tokio::test(start_paused = true)]
async fn a_missing_response_is_abandoned() {
    let server = KeyServer::start().await;
    for reply in [Reply::Silence, Reply::Drip] {
        server.reply(JWKS, reply);
        let error = described(by_url(&server)).await.unwrap_err();
        assert!(error.ends_with("no response within 10s"), "{error}");
    }
    // A connection without a handshake.
    let silent = loopback().await;
    let url = HttpsUrl::parse(&format!("https://{}/", silent.local_addr().unwrap())).unwrap();
    let error = described(KeySource::url(url, Access::default())).await.unwrap_err();
    assert!(error.ends_with("no response within 10s"), "{error}");
}
