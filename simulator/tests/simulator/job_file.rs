//! The job file and its errors.

use std::time::Duration;

use codepipeline_simulator::{
    ActionType, AnswerStatus, Artifact, ArtifactContent, CallMoment, Config, EncryptionKey, ErrorFault,
    Fault, Job, MessageKey, OperationName, PipelineContext, RedispatchNonce, SecondAcknowledge, Shape, jobs,
};

const EXAMPLE: &str = include_str!("../../jobs.example.json");

#[test]
fn example_is_valid_and_shows_the_features() {
    let file = jobs::from_json(EXAMPLE).unwrap();
    assert_eq!(file.second_acknowledge, Some(SecondAcknowledge::InvalidNonce));
    let job = |id: &str| file.jobs.iter().find(|job| job.id == id).unwrap();
    assert_eq!(job("well-behaved").status, "Dispatched");
    assert_eq!(job("status-of-the-future").answer_status, AnswerStatus::Raw("Paused".to_owned()));
    assert_eq!(job("no-status").answer_status, AnswerStatus::Omitted);
    let throttled = &job("throttled-twice-then-fine").faults[0];
    let error = ErrorFault {
        message: Some("Rate exceeded".to_owned()),
        shape: Shape::TypeNamespace,
        message_key: MessageKey::Upper,
        retry_after_ms: Some(200),
        ..ErrorFault::new("ThrottlingException")
    };
    assert_eq!((throttled.times, &throttled.fault), (2, &Fault::Error(error)));
    let queued = job("waiting-for-a-poll");
    assert_eq!((&*queued.status, &*queued.action_type.category), ("Queued", "Build"));
    let unknown = &job("acknowledged-but-response-lost").faults[0];
    assert_eq!(unknown.operation, Some(OperationName::AcknowledgeThirdPartyJob));
    assert_eq!((unknown.times, &unknown.fault), (1, &Fault::Reset { when: CallMoment::AfterProcessing }));
}

#[test]
fn settings_and_details_are_read() {
    let text = r#"{
        "redispatch_after_seconds": 30,
        "redispatch_nonce": "new",
        "action_types": [{ "category": "Test", "owner": "ThirdParty", "provider": "P", "version": "1" }],
        "jobs": [{
            "id": "a", "nonce": "n", "client_token": "t", "client_id": "c", "status": "Queued",
            "action_type": { "category": "Build", "owner": "ThirdParty", "provider": "P", "version": "1" },
            "configuration": { "key": "value" },
            "pipeline_context": { "pipeline_name": "p" },
            "input_artifacts": [
                { "name": "i", "revision": "r", "bucket_name": "b", "object_key": "k", "content": "text" },
                { "name": "m", "bucket_name": "b", "object_key": "m", "content": null }
            ],
            "output_artifacts": [{ "name": "o", "bucket_name": "b", "object_key": "l" }],
            "artifact_credentials": false,
            "encryption_key": { "id": "e" },
            "continuation_token": "ct",
            "timeout_seconds": 60,
            "faults": [{ "operation": "GetThirdPartyJobDetails", "fault": { "hang": {} } }]
        }]
    }"#;
    let file = jobs::from_json(text).unwrap();
    let mut config = Config::default();
    file.apply_to(&mut config);
    assert_eq!(config.redispatch_after, Duration::from_secs(30));
    assert_eq!(config.redispatch_nonce, RedispatchNonce::New);
    assert_eq!(config.second_acknowledge, SecondAcknowledge::InvalidNonce);
    assert_eq!(config.action_types, [ActionType::third_party("Test", "P", "1")]);
    let job = Job {
        client_id: "c".to_owned(),
        pipeline_context: PipelineContext { pipeline_name: "p".to_owned(), ..PipelineContext::default() },
        input_artifacts: vec![
            Artifact {
                revision: Some("r".to_owned()),
                content: ArtifactContent::Text("text".to_owned()),
                ..Artifact::new("i", "b", "k")
            },
            Artifact { content: ArtifactContent::Missing, ..Artifact::new("m", "b", "m") },
        ],
        output_artifacts: vec![Artifact::new("o", "b", "l")],
        artifact_credentials: false,
        encryption_key: Some(EncryptionKey::kms("e")),
        continuation_token: Some("ct".to_owned()),
        timeout_seconds: Some(60),
        ..Job::queued("a", "n", "t")
            .with_action_type(ActionType::third_party("Build", "P", "1"))
            .with_configuration("key", "value")
            .with_operation_fault(OperationName::GetThirdPartyJobDetails, 1, Fault::Hang { process: false })
    };
    assert!(file.jobs == [job]);
    // A written file can be read again without a change.
    assert!(jobs::from_json(&serde_json::to_string(&file).unwrap()).unwrap() == file);
}

/// A written file can be read again without a change.
#[test]
fn file_survives_a_round_trip() {
    let file = jobs::from_json(EXAMPLE).unwrap();
    let written = serde_json::to_string(&file).unwrap();
    assert_eq!(jobs::from_json(&written).unwrap(), file);
}

#[test]
fn errors_name_the_line_and_column() {
    let job = r#"{"id":"a","nonce":"n","client_token":"t"}"#;
    let with = |more: &str| format!(r#"{{"jobs":[{{"id":"a","nonce":"n","client_token":"t",{more}}}]}}"#);
    for (text, expected) in [
        (String::new(), "EOF while parsing a value at line 1 column 0"),
        (
            "{\n\"jobs\": [],\n\"job\": 1}".to_owned(),
            "unknown field `job`, expected one of `jobs`, `second_acknowledge`, `redispatch_after_seconds`, ",
        ),
        (r#"{"jobs":[{"id":"a","nonce":"n"}]}"#.to_owned(), "missing field `client_token` at line 1"),
        (
            r#"{"jobs":[{"id":"","nonce":"n","client_token":"t"}]}"#.to_owned(),
            "a job's values must not be empty at line 1",
        ),
        (format!("{{\"jobs\":[{job},\n{job}]}}"), "two jobs have the id \"a\" at line 2"),
        (with(r#""state":"Dispatched""#), "unknown field `state`"),
        (with(r#""status":"""#), "a job's values must not be empty at line 1"),
        (with(r#""answer_status":7"#), "invalid type: integer `7`, expected a string at line 1"),
        (with(r#""faults":[{"fault":{"hang":{}},"times":0}]"#), "`times` must be at least 1 at line 1"),
        (with(r#""faults":[{"fault":{"hung":{}}}]"#), "unknown variant `hung`"),
        (
            with(r#""faults":[{"fault":{"hang":{"proces":true}}}]"#),
            "unknown field `proces`, expected `process` at line 1",
        ),
        (
            with(r#""faults":[{"fault":{"error":{"code":"A","http_status":99}}}]"#),
            "99 is not an HTTP status (100 to 999)",
        ),
        (
            with(r#""faults":[{"fault":{"answer":{"headers":{"a b":"c"}}}}]"#),
            "\"a b\" is not a header that HTTP allows",
        ),
        (
            with(r#""faults":[{"fault":{"answer":{"headers":{"Content-Length":"0"}}}}]"#),
            "\"Content-Length\" is a header that only the simulator sets",
        ),
        (
            with(r#""faults":[{"fault":{"answer":{"headers":{"transfer-encoding":"chunked"}}}}]"#),
            "\"transfer-encoding\" is a header that only the simulator sets",
        ),
        (
            with(r#""faults":[{"fault":{"reset":{"when":"before_request_read"}}}]"#),
            "unknown variant `before_request_read`",
        ),
        (
            r#"{"jobs":[],"second_acknowledge":"yes"}"#.to_owned(),
            "unknown variant `yes`, expected `invalid_nonce` or `status`",
        ),
    ] {
        let error = jobs::from_json(&text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the job file isn't valid: {expected}")), "{error}");
        assert!(error.contains(" at line "), "{error}");
    }
}
