//! GetThirdPartyJobDetails: a job worker reads a job.

use std::collections::HashMap;
use std::fmt;

use super::Operation;
use super::action_type::ActionType;
use super::artifact::{Artifact, SessionCredentials};
use super::fields::{JobId, MAX_CLIENT_TOKEN, MAX_JOB_ID, SecretText, Violations};
use super::policy::{ArtifactCredentials, Policy};
use crate::call::Subject;
use crate::error::{Failure, Outcome};
use crate::methods::{self, Method};
use crate::proto;

/// A valid request for a job's details.
#[derive(Debug)]
pub struct Details {
    /// The job.
    pub job_id: JobId,
    /// The client token that belongs to the job's client id.
    pub client_token: SecretText,
}

/// The details of a job. Fields that AWS left out are empty.
#[derive(Clone, Default)]
pub struct JobDetails {
    /// The job's id.
    pub id: String,
    /// The nonce for the acknowledgement. Secret.
    pub nonce: String,
    /// The action type.
    pub action_type: Option<ActionType>,
    /// The action's configuration. Secret.
    pub configuration: HashMap<String, String>,
    /// Where in a pipeline the job belongs.
    pub pipeline_context: Option<PipelineContext>,
    /// The artifacts that the action reads.
    pub input_artifacts: Vec<Artifact>,
    /// The artifacts that the action writes.
    pub output_artifacts: Vec<Artifact>,
    /// Credentials for the artifacts. Secret.
    pub artifact_credentials: Option<SessionCredentials>,
    /// The token of the job that this job continues. Secret.
    pub continuation_token: String,
    /// The id and the type of the key that encrypts the artifacts.
    pub encryption_key: Option<(String, String)>,
}

/// Where in a pipeline a job belongs.
#[derive(Clone, Debug, Default)]
pub struct PipelineContext {
    /// The pipeline.
    pub pipeline_name: String,
    /// The stage.
    pub stage_name: String,
    /// The action.
    pub action_name: String,
    /// The id of the action's execution.
    pub action_execution_id: String,
}

impl fmt::Debug for JobDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobDetails").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Operation for Details {
    const METHOD: &'static Method = &methods::DETAILS;
    type Request = proto::GetThirdPartyJobDetailsRequest;
    type Response = proto::GetThirdPartyJobDetailsResponse;
    type Output = Option<JobDetails>;

    fn describe(request: &Self::Request, subject: &Subject) {
        JobId::describe(&request.job_id, subject);
    }

    fn parse(request: Self::Request) -> Result<Self, Failure> {
        let client_token = SecretText::from(request.client_token);
        let mut violations = Violations::default();
        violations.check_length("job_id", &request.job_id, MAX_JOB_ID);
        violations.check_length("client_token", client_token.expose(), MAX_CLIENT_TOKEN);
        violations.into_result()?;
        Ok(Self { job_id: JobId::new(request.job_id), client_token })
    }

    fn describe_output(output: &Self::Output, subject: &Subject) {
        if let Some(action_type) = action_type(output.as_ref()) {
            subject.set_action_type(&action_type.to_string());
        }
    }

    fn restrict(output: &mut Self::Output, policy: &Policy) -> Result<(), Failure> {
        policy.check(action_type(output.as_ref()), Outcome::Rejected)?;
        if let (ArtifactCredentials::Withhold, Some(details)) = (policy.artifact_credentials, output) {
            details.artifact_credentials = None;
        }
        Ok(())
    }

    fn respond(output: Self::Output) -> Self::Response {
        let job_details = output.map(|details| proto::ThirdPartyJobDetails {
            id: details.id,
            nonce: details.nonce,
            data: Some(proto::ThirdPartyJobData {
                action_type_id: details.action_type.map(Into::into),
                configuration: details.configuration,
                pipeline_context: details.pipeline_context.map(Into::into),
                input_artifacts: details.input_artifacts.into_iter().map(Into::into).collect(),
                output_artifacts: details.output_artifacts.into_iter().map(Into::into).collect(),
                artifact_credentials: details.artifact_credentials.map(Into::into),
                continuation_token: details.continuation_token,
                encryption_key: details
                    .encryption_key
                    .map(|(id, r#type)| proto::EncryptionKey { id, r#type }),
            }),
        });
        proto::GetThirdPartyJobDetailsResponse { job_details }
    }
}

fn action_type(details: Option<&JobDetails>) -> Option<&ActionType> {
    details?.action_type.as_ref()
}

impl From<PipelineContext> for proto::PipelineContext {
    fn from(context: PipelineContext) -> Self {
        let PipelineContext { pipeline_name, stage_name, action_name, action_execution_id } = context;
        Self { pipeline_name, stage_name, action_name, action_execution_id }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::action_type::ActionTypes;
    use super::super::tests::violated;
    use super::*;
    use crate::error::Reason;

    fn details() -> JobDetails {
        JobDetails {
            id: "job-1".into(),
            nonce: "secret-nonce".into(),
            action_type: Some(ActionType { provider: "shown".into(), ..ActionType::default() }),
            configuration: [("secret-key".into(), "secret-value".into())].into(),
            artifact_credentials: Some(SessionCredentials {
                access_key_id: "secret-id".into(),
                secret_access_key: "secret-access-key".into(),
                session_token: "secret-session".into(),
            }),
            continuation_token: "secret-continuation".into(),
            ..JobDetails::default()
        }
    }

    #[test]
    fn debug_output_has_no_secret() {
        let request = proto::GetThirdPartyJobDetailsRequest {
            job_id: "job-1".into(),
            client_token: "secret-token".into(),
        };
        let parsed = Details::parse(request.clone()).unwrap();
        let shown = format!("{request:?} {parsed:?} {:?} {:?}", details(), Details::respond(Some(details())));
        assert!(shown.contains("job-1") && shown.contains("shown") && !shown.contains("secret-"), "{shown}");
    }

    #[test]
    fn details_of_another_action_type_are_withheld() {
        let mine = ActionTypes::new(vec!["*/*/mine/*".parse().unwrap()]);
        let policy = Policy { action_types: mine, ..Policy::default() };
        let failure = Details::restrict(&mut Some(details()), &policy).unwrap_err();
        assert_eq!((failure.reason, failure.outcome), (Reason::ActionTypeNotAllowed, Outcome::Rejected));
        assert!(Details::restrict(&mut None, &policy).is_err(), "an unknown one is withheld too");
        assert!(Details::restrict(&mut Some(details()), &Policy::default()).is_ok());
        let subject = Subject::default();
        Details::describe_output(&Some(details()), &subject);
        assert_eq!(subject.action_type(), Some("//shown/"));
    }

    #[test]
    fn artifact_credentials_are_withheld_unless_included() {
        for (artifact_credentials, shown) in
            [(ArtifactCredentials::Withhold, false), (ArtifactCredentials::Include, true)]
        {
            let policy = Policy { artifact_credentials, ..Policy::default() };
            let mut output = Some(details());
            Details::restrict(&mut output, &policy).unwrap();
            let data = Details::respond(output).job_details.unwrap().data.unwrap();
            assert_eq!(data.artifact_credentials.is_some(), shown);
            assert_eq!(data.continuation_token, "secret-continuation");
        }
    }

    proptest! {
        #[test]
        fn a_request_is_valid_exactly_within_the_limits(
            job_id in "\\PC{0,8}|\\PC{505,520}",
            client_token in "\\PC{0,8}|\\PC{250,262}",
        ) {
            let out = |text: &str, max: usize| !(1..=max).contains(&text.chars().count());
            let mut expected = Vec::new();
            if out(&job_id, 512) { expected.push("job_id"); }
            if out(&client_token, 256) { expected.push("client_token"); }
            let request = proto::GetThirdPartyJobDetailsRequest { job_id, client_token };
            prop_assert_eq!(violated::<Details>(request), expected);
        }
    }
}
