//! Where the keys come from, how new ones are found, and what is said while there are none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codepipeline_gateway::auth::{Access, AccessError, Auth, HttpsUrl, KeySource, RefreshSchedule};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::certificates::Authority;
use crate::harness::{Answer as Told, World, loopback, settings};
use crate::jwt::auth;
use crate::key_server::{Answer, Asked, KeyServer};
use crate::tokens::{Signer, good, set, with_token};

const ANYBODY: &[&str] = &["sub:system:*"];
/// Longer than any test: what has this pace must not happen by itself.
const NEVER: Duration = Duration::from_secs(24 * 3600);
const JWKS: &str = "/openid/v1/jwks";
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Nothing happens by itself, but for retries.
fn calm() -> RefreshSchedule {
    let soon = Duration::from_millis(20);
    RefreshSchedule {
        file: NEVER,
        url: NEVER,
        first_retry: soon,
        last_retry: soon,
        asked: NEVER,
        stale: NEVER,
    }
}

fn url(server: &KeyServer, path: &str) -> HttpsUrl {
    HttpsUrl::parse(&format!("{}{path}", server.url)).unwrap()
}

fn access(server: &KeyServer, token: Option<PathBuf>) -> Access {
    Access::new(Some(server.ca()), token).unwrap()
}

fn by_url(server: &KeyServer) -> KeySource {
    KeySource::url(url(server, JWKS), access(server, None))
}

async fn launch(source: KeySource, pace: RefreshSchedule) -> World {
    let mut settings = settings();
    settings.auth = auth(source, ANYBODY, pace);
    World::launch(settings).await
}

async fn ready(source: KeySource, pace: RefreshSchedule) -> World {
    let world = launch(source, pace).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    world
}

async fn call(world: &World, signer: &Signer) -> Told {
    world.gateway.send(with_token("job", &signer.token(&good()))).await
}

/// Past the door: AWS itself has an opinion of the job.
fn is_let_in(answer: &Told) -> bool {
    answer.code() == Code::NotFound
}

fn is_refused(answer: &Told) -> bool {
    answer.code() == Code::Unauthenticated && answer.reason() == "CALLER_UNAUTHENTICATED"
}

/// What was found, or why nothing.
async fn described(source: KeySource) -> Result<String, String> {
    let Auth::Jwt(jwt) = auth(source, ANYBODY, calm()) else { unreachable!() };
    jwt.describe_keys().await
}

fn write(path: &Path, text: &str) {
    // Whole from its first moment on, as a Kubernetes volume does it.
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, path).unwrap();
}

async fn refreshes(world: &World, result: &str) -> f64 {
    world
        .gateway
        .metric(&format!("codepipeline_gateway_jwt_key_refreshes_total{{result=\"{result}\"}}"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_followed_and_a_bad_new_one_is_not() {
    let (folder, [old, new]) = (TempDir::new().unwrap(), ["old", "new"].map(Signer::p256));
    let path = folder.path().join("jwks.json");
    write(&path, &set(&[&old]));
    let pace = RefreshSchedule { file: Duration::from_millis(20), ..calm() };
    let world = ready(KeySource::file(path.clone()).unwrap(), pace).await;
    assert!(is_let_in(&call(&world, &old).await));
    assert!(is_refused(&call(&world, &new).await));
    let used = old.token(&good());
    for _again in 0..2 {
        assert!(is_let_in(&world.gateway.send(with_token("job", &used)).await));
    }

    for bad in ["", "{", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"new","k":"AA"}]}"#] {
        write(&path, bad);
        let before = refreshes(&world, "error").await;
        while refreshes(&world, "error").await <= before + 1.0 {}
        assert!(is_let_in(&call(&world, &old).await), "{bad:?}: the old keys hold");
        assert!(world.gateway.is_ready().await);
    }
    fs::remove_file(&path).unwrap();
    let before = refreshes(&world, "error").await;
    while refreshes(&world, "error").await <= before + 1.0 {}
    assert!(is_let_in(&call(&world, &old).await), "no file: the old keys hold");

    write(&path, &set(&[&new]));
    while !is_let_in(&call(&world, &new).await) {}
    assert!(is_refused(&call(&world, &old).await), "a key that is gone counts no more");
    let again = world.gateway.send(with_token("job", &used)).await;
    assert!(is_refused(&again), "nor does what it has verified before");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_a_url_is_fetched_by_the_first_call_that_needs_it() {
    let (server, [old, new]) = (KeyServer::start().await, ["old", "new"].map(Signer::p256));
    server.document(JWKS, set(&[&old]));
    let world = ready(by_url(&server), calm()).await;
    assert!(is_let_in(&call(&world, &old).await));
    server.document(JWKS, set(&[&old, &new]));
    assert!(is_let_in(&call(&world, &new).await), "the call waits for the keys");
    assert!(is_let_in(&call(&world, &old).await));
    assert_eq!(server.asked().len(), 2);
    assert_eq!((refreshes(&world, "ok").await, refreshes(&world, "error").await), (2.0, 0.0));
    assert!(world.gateway.metric("codepipeline_gateway_jwt_keys_loaded_timestamp_seconds").await > 1e9);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_looked_at_again_and_again_and_a_failure_keeps_the_old_keys() {
    let (server, [old, new]) = (KeyServer::start().await, ["old", "new"].map(Signer::p256));
    server.document(JWKS, set(&[&old]));
    let world = ready(by_url(&server), RefreshSchedule { url: Duration::from_millis(20), ..calm() }).await;
    assert!(is_refused(&call(&world, &new).await), "the one look that calls may cause");
    server.answer(JWKS, Answer::Status(503, "<html>unavailable</html>".into()));
    let before = refreshes(&world, "error").await;
    while refreshes(&world, "error").await <= before + 3.0 {}
    assert!(is_let_in(&call(&world, &old).await));
    assert!(world.gateway.is_ready().await);
    server.document(JWKS, set(&[&new]));
    while !is_let_in(&call(&world, &new).await) {}
    assert!(is_refused(&call(&world, &old).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_keys_causes_one_fetch() {
    let (server, known) = (KeyServer::start().await, Signer::p256("known"));
    server.document(JWKS, set(&[&known]));
    let mut settings = settings();
    settings.auth =
        auth(by_url(&server), ANYBODY, RefreshSchedule { first_retry: NEVER, last_retry: NEVER, ..calm() });
    settings.max_in_flight = 1;
    let world = World::launch(settings).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;

    // While the fetch hangs, all who ask for an unknown key wait for it, and hold up nobody.
    let now = watch::Sender::new(false);
    server.answer(JWKS, Answer::Later(set(&[&known]), now.subscribe()));
    let token = Signer::p256("unknown").token(&good());
    let storm: Vec<_> = (0..100)
        .map(|_| {
            let (gateway, request) = (world.gateway.channel.clone(), with_token("job", &token));
            tokio::spawn(async move {
                let mut client = codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient::new(gateway);
                Told::from(client.acknowledge_third_party_job(request).await)
            })
        })
        .collect();
    server.until_asked(2).await;
    assert!(is_let_in(&call(&world, &known).await), "no slot is held by those who wait");
    now.send_replace(true);
    for call in storm {
        assert!(is_refused(&call.await.unwrap()));
    }
    for _more in 0..20 {
        assert!(is_refused(&world.gateway.send(with_token("job", &token)).await));
    }
    assert_eq!(server.asked().len(), 2, "the first, and one for all of them");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_keys_no_longer_than_its_deadline() {
    let (server, known) = (KeyServer::start().await, Signer::p256("known"));
    server.document(JWKS, set(&[&known]));
    let world = ready(by_url(&server), calm()).await;
    server.answer(JWKS, Answer::Silence);
    let mut request = with_token("job", &Signer::p256("unknown").token(&good()));
    request.set_timeout(Duration::from_secs(3));
    let answer = world.gateway.send(request).await;
    assert_eq!((answer.code(), answer.outcome()), (Code::DeadlineExceeded, "not_sent".into()), "{answer:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_it_is_not_ready_says_so_and_recovers() {
    // A port that is closed for now.
    let listener = loopback().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = TempDir::new().unwrap();
    let signer = Signer::p256("one");
    let source =
        KeySource::url(HttpsUrl::parse(&format!("https://{address}{JWKS}")).unwrap(), Access::default());
    let world = launch(source, calm()).await;
    while refreshes(&world, "error").await < 2.0 {}
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    while world.gateway.get("/readyz", "*/*").await.1
        != "not ready: no keys for bearer tokens could be loaded; the log says why\n"
    {}
    let answer = call(&world, &signer).await;
    let told = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
    assert_eq!(told, (Code::Unavailable, "GATEWAY_KEYS_UNAVAILABLE".into(), "not_sent".into(), 0));
    assert!(answer.details().retry_info().is_some());
    // What is the caller's fault stays so.
    assert!(is_refused(&world.gateway.send(with_token("job", "x")).await));
    assert_eq!(world.gateway.metric("codepipeline_gateway_jwt_keys_loaded_timestamp_seconds").await, 0.0);
    world.stop().await;

    // The same with a server that comes up later.
    let server = KeyServer::start().await;
    let world = launch(by_url(&server), calm()).await;
    while refreshes(&world, "error").await < 1.0 {}
    assert!(!world.gateway.is_ready().await);
    server.document(JWKS, set(&[&signer]));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_let_in(&call(&world, &signer).await));
    drop(folder);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_nobody_has_seen_for_too_long_hold_no_longer() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::p256("one"));
    let path = folder.path().join("jwks.json");
    write(&path, &set(&[&signer]));
    let pace = RefreshSchedule { file: Duration::from_millis(20), stale: Duration::from_secs(3), ..calm() };
    let world = ready(KeySource::file(path.clone()).unwrap(), pace).await;
    assert!(is_let_in(&call(&world, &signer).await));
    fs::remove_file(&path).unwrap();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let (_, body) = world.gateway.get("/readyz", "*/*").await;
    assert_eq!(body, "not ready: the keys for bearer tokens are too old; the log says why none are newer\n");
    let answer = call(&world, &signer).await;
    assert_eq!((answer.code(), answer.reason()), (Code::Unavailable, "GATEWAY_KEYS_UNAVAILABLE".into()));
    write(&path, &set(&[&signer]));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_let_in(&call(&world, &signer).await));
    world.stop().await;
}

/// As in a cluster: its API server's own keys, its CA, a service account's token that is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn a_clusters_own_keys_are_fetched_with_the_token_of_now() {
    let (server, folder) = (KeyServer::start().await, TempDir::new().unwrap());
    let [old, new, newest] = ["old", "new", "newest"].map(|id| Signer::rsa(id, 0));
    let token = folder.path().join("token");
    write(&token, "fake-token-1\n");
    server.answer(JWKS, Answer::For("fake-token-1".into(), set(&[&old])));
    let source = KeySource::url(url(&server, JWKS), access(&server, Some(token.clone())));
    let world = ready(source, RefreshSchedule { asked: Duration::ZERO, ..calm() }).await;
    assert!(is_let_in(&call(&world, &old).await));

    // The token is renewed, and the old one is good no longer.
    server.answer(JWKS, Answer::For("fake-token-2".into(), set(&[&old, &new])));
    assert!(is_refused(&call(&world, &new).await), "401: the keys stay as they were");
    write(&token, "fake-token-2");
    while !is_let_in(&call(&world, &new).await) {}
    let last = Asked { path: JWKS.into(), authorization: Some("Bearer fake-token-2".into()) };
    assert_eq!(server.asked().last(), Some(&last));

    // A file that can't be used is no reason to ask without it.
    let asked = server.asked().len();
    for bad in ["", "two words", "line\nbreak", "ü"] {
        write(&token, bad);
        assert!(is_refused(&call(&world, &newest).await));
    }
    assert_eq!(server.asked().len(), asked);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_trusted_is_not_believed() {
    let (server, folder, signer) = (KeyServer::start().await, TempDir::new().unwrap(), Signer::p256("one"));
    server.document(JWKS, set(&[&signer]));
    let ca = folder.path().join("ca.crt");
    write(&ca, &Authority::new().pem());
    let another = Access::new(Some(ca.clone()), None).unwrap();
    for wrong in [another.clone(), Access::default()] {
        let told = described(KeySource::url(url(&server, JWKS), wrong)).await.unwrap_err();
        assert!(told.starts_with(&server.url) && told.contains("certificate"), "{told}");
    }
    let world = launch(KeySource::url(url(&server, JWKS), another), calm()).await;
    while refreshes(&world, "error").await < 2.0 {}
    assert!(!world.gateway.is_ready().await);
    assert_eq!(server.asked(), []);
    // The roots are read again for each fetch.
    fs::copy(server.ca(), &ca).unwrap();
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_let_in(&call(&world, &signer).await));

    let by_name = KeySource::url(
        HttpsUrl::parse(&format!("{}{JWKS}", server.url.replace("127.0.0.1", "localhost"))).unwrap(),
        access(&server, None),
    );
    let told = described(by_name).await.unwrap_err();
    assert!(told.contains("certificate"), "a certificate for another name: {told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_key_set_is_none() {
    let server = KeyServer::start().await;
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    let rows = [
        (Answer::Redirect(format!("{}/elsewhere", server.url)), "it answered 302"),
        (Answer::Status(404, String::new()), "it answered 404"),
        (Answer::Status(500, "fake-secret of the server".into()), "it answered 500"),
        (Answer::Status(203, set(&[&Signer::p256("one")])), "it answered 203"),
        (Answer::Document(huge), "length limit exceeded"),
        (Answer::Document("<html>a portal</html>".into()), "it is no JSON Web Key Set"),
        (Answer::Document("null".into()), "it is no JSON Web Key Set"),
        (Answer::Document(r#"{"keys":{}}"#.into()), "it is no JSON Web Key Set"),
        (Answer::Document(r#"{"keys":[]}"#.into()), "it has no key that can be used"),
        (
            Answer::Document(r#"{"keys":[7,{}]}"#.into()),
            "it has no key that can be used (2 left out: not a key, no id)",
        ),
    ];
    server.document("/elsewhere", set(&[&Signer::p256("one")]));
    for (answer, why) in rows {
        server.answer(JWKS, answer.clone());
        let told = described(by_url(&server)).await.unwrap_err();
        let what = format!("{answer:?}").chars().take(80).collect::<String>();
        assert!(
            told.starts_with(&format!("{}{JWKS}: ", server.url)) && told.ends_with(why),
            "{what}: {told}"
        );
    }
    assert!(server.asked().iter().all(|asked| asked.path == JWKS), "no redirect is followed");
}

/// With a clock that jumps whenever everything waits: the ten seconds take no time.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up() {
    let server = KeyServer::start().await;
    for answer in [Answer::Silence, Answer::Drip] {
        server.answer(JWKS, answer);
        let told = described(by_url(&server)).await.unwrap_err();
        assert!(told.ends_with("no answer within 10s"), "{told}");
    }
    // Connected, and no handshake.
    let silent: TcpListener = loopback().await;
    let place = HttpsUrl::parse(&format!("https://{}/", silent.local_addr().unwrap())).unwrap();
    let told = described(KeySource::url(place, Access::default())).await.unwrap_err();
    assert!(told.ends_with("no answer within 10s"), "{told}");
}

fn discovery(server: &KeyServer, issuer: &str, token: Option<PathBuf>) -> KeySource {
    KeySource::discovery(issuer, access(server, token)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_the_issuers_own_document() {
    let (server, signer) = (KeyServer::start().await, Signer::p256("one"));
    server.document("/keys", set(&[&signer]));
    let keys = format!("{}/keys?tenant=1", server.url);
    for (issuer, path) in [
        (server.url.clone(), WELL_KNOWN.to_owned()),
        (format!("{}/", server.url), WELL_KNOWN.to_owned()),
        (format!("{}/tenant", server.url), format!("/tenant{WELL_KNOWN}")),
        (format!("{}/tenant/", server.url), format!("/tenant{WELL_KNOWN}")),
    ] {
        server.document(&path, json!({"issuer": issuer, "jwks_uri": keys, "more": 1}).to_string());
        let found = described(discovery(&server, &issuer, None)).await.unwrap();
        assert_eq!(found, format!("1 from {}{path}", server.url));
    }
    let document = json!({"issuer": server.url, "jwks_uri": keys});
    server.document(WELL_KNOWN, document.to_string());
    let world = ready(discovery(&server, &server.url, None), calm()).await;
    // The tokens of `good` are of another issuer than the server's name, which is no matter to the keys.
    assert!(is_let_in(&call(&world, &signer).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuers_document_that_lies_is_not_believed() {
    let server = KeyServer::start().await;
    server.document("/keys", set(&[&Signer::p256("one")]));
    let keys = format!("{}/keys", server.url);
    let another = "it is another issuer's document: its `issuer` isn't exactly the configured one";
    let rows = [
        (json!({"issuer": "https://evil.test", "jwks_uri": keys}), another),
        (json!({"issuer": format!("{}/", server.url), "jwks_uri": keys}), another),
        (json!({"issuer": server.url.to_uppercase(), "jwks_uri": keys}), another),
        (json!({"jwks_uri": keys}), "it is no discovery document with an issuer and a jwks_uri"),
        (json!({"issuer": server.url}), "it is no discovery document with an issuer and a jwks_uri"),
        (
            json!({"issuer": [server.url], "jwks_uri": keys}),
            "it is no discovery document with an issuer and a jwks_uri",
        ),
        (json!("x"), "it is no discovery document with an issuer and a jwks_uri"),
        (
            json!({"issuer": server.url, "jwks_uri": keys.replace("https", "http")}),
            "its jwks_uri can't be used: it is not an https URL",
        ),
        (
            json!({"issuer": server.url, "jwks_uri": "file:///etc/keys"}),
            "its jwks_uri can't be used: it is not a URL",
        ),
        (
            json!({"issuer": server.url, "jwks_uri": "/keys"}),
            "its jwks_uri can't be used: it is not an http or https URL",
        ),
    ];
    for (document, why) in rows {
        server.document(WELL_KNOWN, document.to_string());
        let told = described(discovery(&server, &server.url, None)).await.unwrap_err();
        assert_eq!(told, format!("{}{WELL_KNOWN}: {why}", server.url), "{document}");
    }
    assert!(server.asked().iter().all(|asked| asked.path == WELL_KNOWN), "nothing else was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_document_can_not_send_the_token_elsewhere() {
    let (server, elsewhere, folder) =
        (KeyServer::start().await, KeyServer::start().await, TempDir::new().unwrap());
    let (token, roots) = (folder.path().join("token"), folder.path().join("roots"));
    write(&token, "fake-token");
    let read = |server: &KeyServer| fs::read_to_string(server.ca()).unwrap();
    write(&roots, &format!("{}{}", read(&server), read(&elsewhere)));
    let access = Access::new(Some(roots), Some(token)).unwrap();
    for host in [&server, &elsewhere] {
        host.document("/keys", set(&[&Signer::p256("one")]));
        let document = json!({"issuer": server.url, "jwks_uri": format!("{}/keys", host.url)});
        server.document(WELL_KNOWN, document.to_string());
        described(KeySource::discovery(&server.url, access.clone()).unwrap()).await.unwrap();
    }
    let shown = Some("Bearer fake-token".to_owned());
    let with = |path: &str, authorization: &Option<String>| Asked {
        path: path.into(),
        authorization: authorization.clone(),
    };
    assert_eq!(server.asked(), [with(WELL_KNOWN, &shown), with("/keys", &shown), with(WELL_KNOWN, &shown)]);
    assert_eq!(elsewhere.asked(), [with("/keys", &None)], "the same address, another port");
}

#[test]
fn what_can_not_be_fetched_from_is_refused_at_the_start() {
    for bad in [
        "http://issuer.test",
        "issuer.test",
        "",
        "https://",
        "https://:443/",
        "https:///keys",
        "ftp://issuer.test",
        "https://user@issuer.test/",
        "https://user:password@issuer.test/",
        "https://issuer.test:port/",
        "https://issuer.test:0/",
        "https://issuer.test:65536/",
        "https://issuer.test/#keys",
        "https://issuer test/",
    ] {
        assert!(HttpsUrl::parse(bad).is_err(), "{bad:?}");
        assert!(KeySource::discovery(bad, Access::default()).is_err(), "{bad:?}");
    }
    assert!(KeySource::discovery("https://issuer.test?tenant=1", Access::default()).is_err());
    let hidden = HttpsUrl::parse("HTTPS://Issuer.test:8443/keys?key=fake-secret").unwrap();
    assert_eq!(hidden.to_string(), "https://Issuer.test:8443/keys");
    assert_eq!(HttpsUrl::parse("https://[::1]:8443").unwrap().to_string(), "https://[::1]:8443/");

    let folder = TempDir::new().unwrap();
    let path = |name: &str, text: &str| {
        write(&folder.path().join(name), text);
        folder.path().join(name)
    };
    let missing = || Some(folder.path().join("missing"));
    let refused = |ca, token| Access::new(ca, token).unwrap_err();
    assert!(matches!(refused(missing(), None), AccessError::Ca(..)));
    assert!(matches!(refused(Some(path("empty", "")), None), AccessError::Ca(..)));
    assert!(matches!(refused(Some(path("text", "no certificate")), None), AccessError::Ca(..)));
    assert!(matches!(refused(None, missing()), AccessError::Token(..)));
    for bad in ["", " \n", "two words", "a\u{7f}b"] {
        let told = refused(None, Some(path("token", bad)));
        assert!(told.to_string().ends_with("token: no bearer token in it"), "{told}");
    }
    let told = KeySource::file(missing().unwrap()).unwrap_err();
    assert!(told.contains("missing: No such file"), "{told}");
    let told = KeySource::file(path("large", &"x".repeat(256 * 1024 + 1))).unwrap_err();
    assert!(told.ends_with("large: larger than 256 KiB"), "{told}");
}
