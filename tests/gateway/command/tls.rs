//! The configuration of TLS and of client certificates.

use crate::harness::certificates::{Authority, mutual_tls_files};
use crate::harness::{Scratch, command};

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_in_the_allowlist_for_certificates_exits_with_64() {
    let (files, authority) = (Scratch::new(), Authority::new());
    mutual_tls_files(&authority, files.path());
    let arg = |flag: &str, name: &str| format!("--tls-{flag}={}", files.path().join(name).display());
    let tls = [arg("cert", "tls.crt"), arg("key", "tls.key"), arg("client-ca", "ca.crt")];
    for (allow, code) in [("--allow=dns:worker.test,sub:worker", 64), ("--allow=dns:worker.test", 0)] {
        let args = [&["check", "--auth=mtls", allow], &tls.each_ref().map(String::as_str)[..]].concat();
        let ended = command(&args).with_keys().run().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        if code == 64 {
            ended.failed(64, &["--allow (GATEWAY_ALLOW)", "--auth mtls (GATEWAY_AUTH)"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_flag_of_a_missing_file_is_named() {
    let (files, authority) = (Scratch::new(), Authority::new());
    mutual_tls_files(&authority, files.path());
    for (missing, variable) in
        [("cert", "GATEWAY_TLS_CERT"), ("key", "GATEWAY_TLS_KEY"), ("client-ca", "GATEWAY_TLS_CLIENT_CA")]
    {
        let arg = |flag: &str, name: &str| {
            let name = if flag == missing { "missing" } else { name };
            format!("--tls-{flag}={}", files.path().join(name).display())
        };
        let tls = [arg("cert", "tls.crt"), arg("key", "tls.key"), arg("client-ca", "ca.crt")];
        let args = [&["check"], &tls.each_ref().map(String::as_str)[..]].concat();
        let ended = command(&args).with_keys().run().await;
        ended.failed(64, &[&format!(": --tls-{missing} ({variable}): /"), "/missing: No such file"]);
        assert_eq!(ended.err.matches("--tls-").count(), 1, "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_auth_configuration_exits_with_64() {
    for flags in [
        &["--auth=mtls"][..],
        &["--auth=mtls", "--allow=dns:worker.test"],
        &["--allow=dns:worker.test"],
        &["--auth=mtls", "--allow=worker.test"],
        &["--auth=mtls", "--allow=spiffe://a*"],
    ] {
        let ended = command(&[&["serve"], flags].concat()).run().await;
        ended.failed(64, &[]);
        let named = ended.err.contains("GATEWAY_AUTH") || ended.err.contains("GATEWAY_ALLOW");
        assert!(named, "{flags:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_flag_is_named_with_the_one_that_needs_it() {
    let ended = command(&["check", "--tls-client-ca=x", "--tls-key=y"]).run().await;
    ended.failed(
        64,
        &["--tls-client-ca (GATEWAY_TLS_CLIENT_CA) can't be used without --tls-cert (GATEWAY_TLS_CERT)"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_tls_configuration_exits_with_64() {
    for flags in [
        &["--tls-cert=x.crt"][..],
        &["--tls-key=x.key"],
        &["--tls-client-ca=ca.crt"],
        &["--tls-cert=x", "--tls-key=y"],
    ] {
        let ended = command(&[&["serve"], flags].concat()).run().await;
        ended.failed(64, &["--tls-cert", "GATEWAY_TLS_CERT"]);
    }
}
