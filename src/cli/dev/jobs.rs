//! The jobs that `dev` starts with.

use codepipeline_simulator::{ActionType, AnswerFault, Artifact, CallMoment, EncryptionKey, Fault, Job};

/// The job whose artifacts the curl lines use.
pub(super) const ARTIFACTS_JOB: &str = "job-artifacts";
/// Its client token.
pub(super) const ARTIFACTS_TOKEN: &str = "token-1";
/// The count of a fault that never ends, so that each line gives the same result every time.
const ALWAYS: u32 = u32::MAX;

/// A job for each line.
pub(super) fn jobs() -> Vec<Job> {
    let job = |id| Job::new(id, "nonce-1", "token-1");
    let failing = |id, fault| job(id).with_fault(ALWAYS, fault);
    vec![
        whole_job("whole"),
        whole_job("failing"),
        artifacts_job(),
        job("job-1"),
        job("job-2"),
        failing(
            "job-future-status",
            Fault::Answer(AnswerFault { body: r#"{"status":"Paused"}"#.into(), ..AnswerFault::default() }),
        ),
        failing("job-throttled", Fault::error("ThrottlingException")),
        failing("job-broken", Fault::status(503)),
        failing("job-lost-answer", Fault::Reset { when: CallMoment::AfterProcessing }),
        failing("job-slow", Fault::Hang { process: false }),
        failing("job-denied", Fault::error("AccessDeniedException")),
    ]
}

/// A job that waits for a poll, with what a worker needs. Its credentials would be new in each
/// response, so it has none.
fn whole_job(name: &str) -> Job {
    let [id, nonce, token] = ["job", "nonce", "token"].map(|kind| format!("{kind}-{name}"));
    let job = Job::queued(id, nonce, token)
        .with_action_type(ActionType::third_party("Deploy", "Demo", "1"))
        .with_configuration("Environment", "staging");
    let input = Artifact::new("app", "demo-artifacts", format!("{name}/app.zip"));
    Job { input_artifacts: vec![input], artifact_credentials: false, ..job }
}

/// A job with an input artifact, and an output artifact that a KMS key encrypts.
fn artifacts_job() -> Job {
    let artifact = |name: &str| Artifact::new(name, "demo-artifacts", format!("artifacts/{name}.txt"));
    Job {
        input_artifacts: vec![artifact("source")],
        output_artifacts: vec![artifact("result")],
        encryption_key: Some(EncryptionKey::kms("arn:aws:kms:eu-west-1:123456789012:key/demo")),
        ..Job::new(ARTIFACTS_JOB, "nonce-1", ARTIFACTS_TOKEN)
    }
}
