//! PURE: what events of each type are about (CDEvents 0.4.1, "vocabulary"): the fields of their subjects, as a table.

/// What a field has to be.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A text, if it is there.
    Text,
    /// A text that is not empty.
    Given,
    /// One of these, if it is there.
    OneOf(&'static [&'static str]),
    /// One of these.
    GivenOneOf(&'static [&'static str]),
    /// A URI reference, if it is there.
    Address,
    /// A package URL. The SDK asks for it also where the specification does not.
    Package,
    /// A list of texts, if it is there.
    Texts,
    /// An object, if it is there.
    Object(Content),
    /// An object.
    GivenObject(Content),
}

use Rule::{Address, Given, GivenObject, GivenOneOf, Object, OneOf, Package, Text, Texts};

/// Fields and what they have to be.
pub type Content = &'static [(&'static str, Rule)];

/// A type of event.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// Subject, predicate and version, as `context.type` names them.
    pub name: &'static str,
    /// What `subject.type` says.
    pub subject: &'static str,
    /// What its subject holds.
    pub content: Content,
}

const fn type_(name: &'static str, subject: &'static str, content: Content) -> Type {
    Type {
        name,
        subject,
        content,
    }
}

const REFERENCE: Content = &[("id", Given), ("source", Address)];
const CHANGE: Content = &[("repository", Object(REFERENCE))];
const SBOM: Rule = Object(&[("uri", Given)]);
const OUTCOME: Rule = GivenOneOf(&["pass", "fail", "cancel", "error"]);
const SEVERITY: Rule = OneOf(&["low", "medium", "high", "critical"]);
const TRIGGER: Rule = Object(&[
    (
        "type",
        OneOf(&["manual", "pipeline", "event", "schedule", "other"]),
    ),
    ("uri", Text),
]);
const TEST_CASE: Rule = Object(&[
    ("id", Given),
    ("name", Text),
    (
        "type",
        OneOf(&[
            "performance",
            "functional",
            "unit",
            "security",
            "compliance",
            "integration",
            "e2e",
            "other",
        ]),
    ),
    ("uri", Text),
    ("version", Text),
]);
const TEST_SUITE: Rule = Object(&[("id", Given), ("name", Text), ("uri", Text), ("version", Text)]);
const ENVIRONMENT: Content = &[("name", Text), ("url", Text)];
const INCIDENT: Content = &[
    ("artifactId", Package),
    ("description", Text),
    ("environment", GivenObject(REFERENCE)),
    ("service", Object(REFERENCE)),
];
const REPOSITORY: Content = &[("name", Text), ("owner", Text), ("url", Text), ("viewUrl", Text)];
const RELEASED: Content = &[("artifactId", Package), ("environment", GivenObject(REFERENCE))];
const SERVICE: Content = &[("environment", Object(REFERENCE))];

/// All types, and their only versions in this vocabulary.
pub const TYPES: &[Type] = &[
    type_("artifact.deleted.0.1.0", "artifact", &[("user", Text)]),
    type_("artifact.downloaded.0.1.0", "artifact", &[("user", Text)]),
    type_(
        "artifact.packaged.0.2.0",
        "artifact",
        &[("change", GivenObject(REFERENCE)), ("sbom", SBOM)],
    ),
    type_(
        "artifact.published.0.2.0",
        "artifact",
        &[("sbom", SBOM), ("user", Text)],
    ),
    type_("artifact.signed.0.2.0", "artifact", &[("signature", Given)]),
    type_("branch.created.0.2.0", "branch", CHANGE),
    type_("branch.deleted.0.2.0", "branch", CHANGE),
    type_("build.finished.0.2.0", "build", &[("artifactId", Package)]),
    type_("build.queued.0.2.0", "build", &[]),
    type_("build.started.0.2.0", "build", &[]),
    type_("change.abandoned.0.2.0", "change", CHANGE),
    type_(
        "change.created.0.3.0",
        "change",
        &[("description", Text), ("repository", Object(REFERENCE))],
    ),
    type_("change.merged.0.2.0", "change", CHANGE),
    type_("change.reviewed.0.2.0", "change", CHANGE),
    type_("change.updated.0.2.0", "change", CHANGE),
    type_("environment.created.0.2.0", "environment", ENVIRONMENT),
    type_("environment.deleted.0.2.0", "environment", &[("name", Text)]),
    type_("environment.modified.0.2.0", "environment", ENVIRONMENT),
    type_("incident.detected.0.2.0", "incident", INCIDENT),
    type_(
        "incident.reported.0.2.0",
        "incident",
        &[
            ("artifactId", Package),
            ("description", Text),
            ("environment", GivenObject(REFERENCE)),
            ("service", Object(REFERENCE)),
            ("ticketURI", Given),
        ],
    ),
    type_("incident.resolved.0.2.0", "incident", INCIDENT),
    type_(
        "pipelinerun.finished.0.2.0",
        "pipelineRun",
        &[
            ("errors", Text),
            ("outcome", Text),
            ("pipelineName", Text),
            ("url", Text),
        ],
    ),
    type_(
        "pipelinerun.queued.0.2.0",
        "pipelineRun",
        &[("pipelineName", Text), ("url", Text)],
    ),
    type_(
        "pipelinerun.started.0.2.0",
        "pipelineRun",
        &[("pipelineName", Text), ("url", Text)],
    ),
    type_(
        "repository.created.0.2.0",
        "repository",
        &[
            ("name", Given),
            ("owner", Text),
            ("url", Given),
            ("viewUrl", Text),
        ],
    ),
    type_("repository.deleted.0.2.0", "repository", REPOSITORY),
    type_("repository.modified.0.2.0", "repository", REPOSITORY),
    type_("service.deployed.0.2.0", "service", RELEASED),
    type_("service.published.0.2.0", "service", SERVICE),
    type_("service.removed.0.2.0", "service", SERVICE),
    type_("service.rolledback.0.2.0", "service", RELEASED),
    type_("service.upgraded.0.2.0", "service", RELEASED),
    type_(
        "taskrun.finished.0.2.0",
        "taskRun",
        &[
            ("errors", Text),
            ("outcome", Text),
            ("pipelineRun", Object(REFERENCE)),
            ("taskName", Text),
            ("url", Text),
        ],
    ),
    type_(
        "taskrun.started.0.2.0",
        "taskRun",
        &[
            ("pipelineRun", Object(REFERENCE)),
            ("taskName", Text),
            ("url", Text),
        ],
    ),
    type_(
        "testcaserun.finished.0.2.0",
        "testCaseRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            ("outcome", OUTCOME),
            ("reason", Text),
            ("severity", SEVERITY),
            ("testCase", TEST_CASE),
            ("testSuiteRun", Object(REFERENCE)),
        ],
    ),
    type_(
        "testcaserun.queued.0.2.0",
        "testCaseRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            ("testCase", TEST_CASE),
            ("testSuiteRun", Object(REFERENCE)),
            ("trigger", TRIGGER),
        ],
    ),
    type_(
        "testcaserun.skipped.0.1.0",
        "testCaseRun",
        &[
            ("environment", Object(REFERENCE)),
            ("reason", Text),
            ("testCase", TEST_CASE),
            ("testSuiteRun", Object(REFERENCE)),
        ],
    ),
    type_(
        "testcaserun.started.0.2.0",
        "testCaseRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            ("testCase", TEST_CASE),
            ("testSuiteRun", Object(REFERENCE)),
            ("trigger", TRIGGER),
        ],
    ),
    type_(
        "testoutput.published.0.2.0",
        "testOutput",
        &[
            ("format", Text),
            (
                "outputType",
                GivenOneOf(&["report", "video", "image", "log", "other"]),
            ),
            ("testCaseRun", Object(REFERENCE)),
            ("uri", Text),
        ],
    ),
    type_(
        "testsuiterun.finished.0.2.0",
        "testSuiteRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            ("outcome", OUTCOME),
            ("reason", Text),
            ("severity", SEVERITY),
            ("testSuite", TEST_SUITE),
        ],
    ),
    type_(
        "testsuiterun.queued.0.2.0",
        "testSuiteRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            (
                "testSuite",
                Object(&[("id", Given), ("name", Text), ("url", Text), ("version", Text)]),
            ),
            ("trigger", TRIGGER),
        ],
    ),
    type_(
        "testsuiterun.started.0.2.0",
        "testSuiteRun",
        &[
            ("environment", GivenObject(REFERENCE)),
            ("testSuite", TEST_SUITE),
            ("trigger", TRIGGER),
        ],
    ),
    type_(
        "ticket.closed.0.1.0",
        "ticket",
        &[
            ("assignees", Texts),
            ("creator", Text),
            ("group", Text),
            ("labels", Texts),
            ("milestone", Text),
            ("priority", Text),
            ("resolution", Given),
            ("summary", Text),
            ("ticketType", Text),
            ("updatedBy", Text),
            ("uri", Given),
        ],
    ),
    type_(
        "ticket.created.0.1.0",
        "ticket",
        &[
            ("assignees", Texts),
            ("creator", Given),
            ("group", Text),
            ("labels", Texts),
            ("milestone", Text),
            ("priority", Text),
            ("summary", Text),
            ("ticketType", Text),
            ("uri", Given),
        ],
    ),
    type_(
        "ticket.updated.0.1.0",
        "ticket",
        &[
            ("assignees", Texts),
            ("creator", Text),
            ("group", Text),
            ("labels", Texts),
            ("milestone", Text),
            ("priority", Text),
            ("summary", Text),
            ("ticketType", Text),
            ("updatedBy", Text),
            ("uri", Given),
        ],
    ),
];
