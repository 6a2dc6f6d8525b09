//! The gateway reads every 2xx response to GetThirdPartyJobDetails without a panic. It returns a
//! job only if the operator's list of action types allows it, and no `Debug` output shows a secret.
//!
//! An input is the body of the response.

#![no_main]

use std::collections::HashMap;

use codepipeline_gateway::call::Subject;
use codepipeline_gateway::codepipeline::output_of_response;
use codepipeline_gateway::operations::{ActionType, ActionTypes, Details, JobDetails, Operation};
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
    let is_given_out =
        Details::check_output(output, &ActionTypes::new(vec![pattern]), &Subject::default()).is_ok();
    let is_allowed = |of: &ActionType| {
        [&of.category, &of.owner, &of.provider, &of.version].into_iter().eq(ALLOWED.split('/'))
    };
    assert_eq!(is_given_out, action_type.is_some_and(is_allowed));
    assert!(Details::check_output(output, &ActionTypes::default(), &Subject::default()).is_ok());
}

fn check_debug(details: &JobDetails) {
    let shown = format!("{details:?}");
    let response = format!("{:?}", Details::respond(Some(details.clone())));
    // Shorter texts can be part of the field names or of the job's ID.
    let secrets = [&details.nonce, &details.continuation_token];
    for secret in secrets.into_iter().filter(|secret| secret.len() > 40) {
        let escaped = format!("{secret:?}");
        assert!(!shown.contains(&escaped) || details.id == *secret, "{shown}");
        assert!(!response.contains(&escaped) || shown_elsewhere(details, secret), "{response}");
    }
}

/// Whether a field that isn't secret has the same text.
fn shown_elsewhere(details: &JobDetails, secret: &str) -> bool {
    let public = JobDetails {
        nonce: String::new(),
        continuation_token: String::new(),
        configuration: HashMap::new(),
        artifact_credentials: None,
        ..details.clone()
    };
    format!("{:?}", Details::respond(Some(public))).contains(&format!("{secret:?}"))
}
