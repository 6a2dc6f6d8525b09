//! Subjects: only those on the allowlist can call.

use serde_json::json;
use tonic::Code;

use super::world;
use crate::harness::tokens::{Signer, claims, with_token};

#[tokio::test(flavor = "multi_thread")]
async fn only_subjects_on_the_allowlist_can_call() {
    let signer = Signer::p256("ec");
    let allow = ["sub:system:serviceaccount:builds:*", "sub:auth0|42", "sub:repo/main/*"];
    let (world, _folder) = world(&[signer.jwk()], &allow).await;
    let rows = [
        ("system:serviceaccount:builds:worker", true),
        ("system:serviceaccount:builds:a:b", true),
        ("system:serviceaccount:builds:", false),
        ("system:serviceaccount:builds", false),
        ("system:serviceaccount:builds-of-others:worker", false),
        ("system:serviceaccount:other:builds:worker", false),
        ("SYSTEM:serviceaccount:builds:worker", false),
        ("auth0|42", true),
        ("auth0|421", false),
        ("auth0|4", false),
        ("repo/main/x", true),
        ("repo/main", false),
        ("*", false),
        ("sub:auth0|42", false),
    ];
    for (number, (subject, allowed)) in rows.into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let token = signer.token(&claims(&json!({"sub": subject})));
        let answer = world.gateway.send(with_token(&job, &token)).await;
        if allowed {
            assert_eq!(answer.ok().aws_status, "InProgress", "{subject}");
        } else {
            let seen = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
            let expected = (Code::PermissionDenied, "CALLER_NOT_ALLOWED".into(), "not_sent".into(), 0);
            assert_eq!(seen, expected, "{subject}");
            assert!(!answer.status().message().contains(subject), "{answer:?}");
        }
        assert_eq!(world.requests_for(&job), usize::from(allowed), "{subject}: requests at AWS");
    }
    world.stop().await;
}
