//! The gateway reads every 2xx response to GetThirdPartyJobDetails without a panic. It returns a
//! job only if the operator's list of action types allows it, and no `Debug` output shows a secret.
//!
//! An input is the body of the response.

#![no_main]

use std::collections::HashMap;

use codepipeline_gateway::codepipeline::output_of_response;
use codepipeline_gateway::operations::{
    ActionType, ActionTypes, Details, JobDetails, Operation, Policy, SessionCredentials,
};
use codepipeline_gateway::proto::AwsSessionCredentials;
use libfuzzer_sys::fuzz_target;

/// The only allowed action type.
const ALLOWED: &str = "Test/ThirdParty/FakeProvider/1";

fuzz_target!(|body: &[u8]| {
    let Some(output) = output_of_response::<Details>(body) else { return };
    check_action_type(&output);
    if let Some(details) = &output {
        check_debug(details);
    }
    // The same body means the same.
    let again = output_of_response::<Details>(body).expect("it was readable");
    assert!(Details::respond(output) == Details::respond(again));
});

fn check_action_type(output: &Option<JobDetails>) {
    let action_type = output.as_ref().and_then(|details| details.action_type.as_ref());
    let pattern = ALLOWED.parse().expect("a pattern");
    let is_given_out = |action_types| {
        let policy = Policy { action_types, ..Policy::default() };
        Details::restrict(&mut output.clone(), &policy).is_ok()
    };
    let is_allowed = |of: &ActionType| {
        [&of.category, &of.owner, &of.provider, &of.version].into_iter().eq(ALLOWED.split('/'))
    };
    assert_eq!(is_given_out(ActionTypes::new(vec![pattern])), action_type.is_some_and(is_allowed));
    assert!(is_given_out(ActionTypes::default()));
}

/// Asserts that `Debug` output is the same without the secrets.
fn check_debug(details: &JobDetails) {
    let public = JobDetails {
        nonce: String::new(),
        continuation_token: String::new(),
        configuration: HashMap::new(),
        artifact_credentials: None,
        ..details.clone()
    };
    assert_eq!(format!("{details:?}"), format!("{public:?}"));
    let response = |details: &JobDetails| format!("{:?}", Details::respond(Some(details.clone())));
    assert_eq!(response(details), response(&public));
    // Neither output contains the credentials, so their own output is checked too.
    if let Some(keys) = &details.artifact_credentials {
        let none = SessionCredentials {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: String::new(),
        };
        assert_eq!(format!("{keys:?}"), format!("{none:?}"));
        assert_eq!(
            format!("{:?}", AwsSessionCredentials::from(keys.clone())),
            format!("{:?}", AwsSessionCredentials::from(none)),
        );
    }
}
