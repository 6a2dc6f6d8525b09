//! The configuration of bearer tokens: incomplete ones, and the keys that `check` loads.

use crate::harness::certificates::Authority;
use crate::harness::key_server::{KeyServer, Reply};
use crate::harness::process::Ended;
use crate::harness::tokens::{Signer, set};
use crate::harness::{Scratch, command};

/// The arguments that `--auth jwt` needs. These replace them, and a flag without a value removes
/// them.
fn jwt<'a>(instead: &[&'a str]) -> Vec<&'a str> {
    let all = [
        "--auth=jwt",
        "--jwt-issuer=https://issuer.test",
        "--jwt-audience=gateway",
        "--allow=sub:system:serviceaccount:builds:*",
    ];
    let flag = |arg: &str| arg.split('=').next().unwrap().to_owned();
    let kept = all.into_iter().filter(|arg| instead.iter().all(|other| flag(other) != flag(arg)));
    kept.chain(instead.iter().copied().filter(|arg| arg.contains('='))).collect()
}

const ISSUER: [&str; 2] = ["--jwt-issuer", "GATEWAY_JWT_ISSUER"];
const AUDIENCE: [&str; 2] = ["--jwt-audience", "GATEWAY_JWT_AUDIENCE"];
const ALLOW: [&str; 2] = ["--allow", "GATEWAY_ALLOW"];
const KEYS: [&str; 2] = ["--jwt-jwks", "GATEWAY_JWT_JWKS"];
const CA: [&str; 2] = ["--jwt-ca", "GATEWAY_JWT_CA"];
const TOKEN: [&str; 2] = ["--jwt-jwks-token-file", "GATEWAY_JWT_JWKS_TOKEN_FILE"];

/// Arguments, where a flag without a value is left out, and the names in the error.
type Row<'a> = (&'a [&'a str], [&'a str; 2]);

/// Rows without files.
const ROWS: [Row<'static>; 24] = [
    (&["--jwt-issuer"], ISSUER),
    (&["--jwt-issuer= "], ISSUER),
    (&["--jwt-audience"], AUDIENCE),
    (&["--jwt-audience= "], AUDIENCE),
    (&["--allow"], ALLOW),
    (&["--allow=dns:worker.test"], ALLOW),
    (&["--allow=spiffe://a/b"], ALLOW),
    (&["--allow=sub:a,dns:worker.test"], ALLOW),
    (&["--allow=sub:*"], ALLOW),
    (&["--allow=sub:worker*"], ALLOW),
    // Without --jwt-jwks the issuer must be the URL of its discovery document.
    (&["--jwt-issuer=kubernetes/serviceaccount"], ISSUER),
    (&["--jwt-issuer=http://issuer.test"], ISSUER),
    (&["--jwt-issuer=https://issuer.test?tenant=1"], ISSUER),
    (&["--jwt-jwks=http://issuer.test/keys"], KEYS),
    (&["--jwt-jwks=ftp://issuer.test/keys"], KEYS),
    (&["--jwt-jwks=https://"], KEYS),
    (&["--jwt-jwks=https://user:fake-secret@issuer.test/keys"], KEYS),
    (&["--jwt-jwks=missing.json"], KEYS),
    (&["--jwt-jwks=."], KEYS),
    (&["--jwt-ca=missing.crt"], CA),
    (&["--jwt-jwks-token-file=missing"], TOKEN),
    (&["--auth=none", "--jwt-audience", "--allow"], ISSUER),
    (&["--auth=none", "--jwt-issuer", "--allow"], AUDIENCE),
    (&["--auth=mtls", "--jwt-audience"], ISSUER),
];

async fn assert_rejected((args, names): Row<'_>) {
    for subcommand in ["serve", "check"] {
        let ended = command(&[&[subcommand], &jwt(args)[..]].concat()).with_keys().run().await;
        ended.failed(64, &names);
        assert!(!ended.err.contains("fake-secret"), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_token_configuration_exits_with_64() {
    for row in ROWS {
        assert_rejected(row).await;
    }
    // Without `--auth jwt` the other flags have no effect.
    let none = ["--auth=none", "--jwt-issuer", "--jwt-audience"];
    assert_rejected((&none, ["--allow", "--auth jwt (GATEWAY_AUTH)"])).await;
    assert_rejected((&["--auth=oauth"], ["--auth", "GATEWAY_AUTH"])).await;
    // The same by variables.
    let rejected =
        command(&["check"]).with_keys().with("GATEWAY_AUTH", "jwt").with("GATEWAY_JWT_ISSUER", "x");
    rejected.run().await.failed(64, &AUDIENCE);
    let rejected = command(&["check"]).with_keys().with("GATEWAY_JWT_CA", "x");
    rejected.run().await.failed(64, &["--jwt-ca (GATEWAY_JWT_CA)", "--auth jwt (GATEWAY_AUTH)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_key_files_exit_with_64() {
    let files = Scratch::new();
    files.file("jwks.json", &set(&[&Signer::p256("one")]));
    files.file("ca.crt", &Authority::new().pem());
    files.file("empty", "");
    files.file("no-keys.json", r#"{"keys":[]}"#);
    let arg = |flag: &str, name: &str| format!("{flag}={}", files.path().join(name).display());
    let (file, ca) = (arg("--jwt-jwks", "jwks.json"), arg("--jwt-ca", "ca.crt"));
    let none = ["--auth=none", "--jwt-issuer", "--jwt-audience", "--allow"];
    let rows: [Row<'_>; 9] = [
        (&[&arg("--jwt-jwks", "empty")], KEYS),
        (&[&arg("--jwt-jwks", "no-keys.json")], KEYS),
        (&[&arg("--jwt-ca", "empty")], CA),
        (&[&arg("--jwt-ca", "jwks.json")], CA),
        (&[&arg("--jwt-jwks-token-file", "empty")], TOKEN),
        (&[&file, &ca], CA),
        (&[&none[..], &[&file]].concat(), KEYS),
        (&[&none[..], &[&ca]].concat(), CA),
        (&[&none[..], &["--jwt-jwks-token-file=x"]].concat(), TOKEN),
    ];
    for row in rows {
        assert_rejected(row).await;
    }
}

/// `check` with bearer tokens and these variables.
async fn check_tokens(variables: &[(&str, &str)]) -> Ended {
    let check =
        command(&["check", "--auth=jwt", "--jwt-audience=gateway", "--allow=sub:system:*"]).with_keys();
    check.with("GATEWAY_JWT_ISSUER", "https://kubernetes.default.svc").with_all(variables).run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_loads_the_keys_once_and_prints_their_count_and_source() {
    let (server, files) = (KeyServer::start().await, Scratch::new());
    let (one, two, weak) = (Signer::p256("one"), Signer::rsa("two", 0), Signer::p384("three"));
    let keys = set(&[&one, &two, &weak]);
    server.reply("/openid/v1/jwks", Reply::For("fake-token".into(), keys.clone()));
    let url = format!("{}/openid/v1/jwks", server.url);
    let (with_query, ca) = (format!("{url}?key=fake-secret"), server.ca());
    let (ca, token) = (ca.to_str().unwrap(), files.file("token", "fake-token\n"));
    let with_token = |token: &str| {
        let variables = [
            ("GATEWAY_JWT_JWKS", with_query.clone()),
            ("GATEWAY_JWT_CA", ca.to_owned()),
            ("GATEWAY_JWT_JWKS_TOKEN_FILE", token.to_owned()),
        ];
        async move { check_tokens(&variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await }
    };
    let ended = with_token(token.to_str().unwrap()).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let line = format!("verification keys:   2 from {url} (1 skipped: EC, and not on P-256)");
    assert!(ended.out.lines().any(|shown| shown == line), "{}", ended.out);
    let line =
        "auth:                jwt: issuer https://kubernetes.default.svc, audience gateway, sub:system:*";
    assert!(ended.out.lines().any(|shown| shown == line), "{}", ended.out);
    assert!(!ended.out.contains("fake-secret") && !ended.out.contains("fake-token"), "{}", ended.out);
    assert_eq!(server.fetches().len(), 1);

    let rejected = with_token(files.file("other", "fake-other").to_str().unwrap()).await;
    rejected.failed(1, &["no verification keys", &url, "401"]);
    assert!(
        !rejected.err.contains("fake-other") && !rejected.err.contains("fake-secret"),
        "{}",
        rejected.err
    );
    let untrusted = check_tokens(&[("GATEWAY_JWT_JWKS", &url)]).await;
    untrusted.failed(1, &["no verification keys", &url, "certificate"]);

    let file = files.file("jwks.json", &keys);
    let ended = check_tokens(&[("GATEWAY_JWT_JWKS", file.to_str().unwrap())]).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.out.contains(&format!("2 from {} (1 skipped", file.display())), "{}", ended.out);
}
