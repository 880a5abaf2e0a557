use std::fmt;
use std::str::FromStr;

/// The text is no status of its relation.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownStatus;

/// A status is stored as a word; one list of words serves reading and writing.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(UnknownStatus) }
            }
        }
    };
}

status! {
    /// `query_job.status`, in BigQuery's words. Moves only forward.
    QueryJobStatus { Pending = "PENDING", Running = "RUNNING", Done = "DONE", Error = "ERROR" }
}

status! {
    /// `import_job.status` and `export_job.status`. Moves only forward.
    TransferJobStatus { Pending = "pending", Running = "running", Completed = "completed", Failed = "failed" }
}

status! {
    /// `project_participant.status`.
    ParticipantStatus {
        Invited = "invited",
        Active = "active",
        Declined = "declined",
        Left = "left",
        Removed = "removed",
    }
}

impl QueryJobStatus {
    /// Whether the job has ended and will not change again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Error)
    }
}

impl TransferJobStatus {
    /// Whether the job has ended and will not change again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}
