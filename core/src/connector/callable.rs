//! The operations that a call runs.

use crate::api::{
    ApiRejection, AuthorizeApp, Context, Endpoint, Idempotency, IdentifyConsumer, InvalidInput,
    Lookup, Operation, Prepared, Principal, RelativeRequest, ResolveDomain, ResponseView,
    RetryHints,
};
use crate::id::ConversationId;

/// A [`Call`](super::Call) runs these: every [`Operation`], and the three look-ups ([`ResolveDomain`],
/// [`AuthorizeApp`], [`IdentifyConsumer`]), which send no request of their own.
///
/// Sealed: to add an endpoint, implement [`Operation`].
pub trait Callable: sealed::Sealed {
    /// The output of a successful call.
    type Output;

    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    const RETRY: RetryHints;
    #[doc(hidden)]
    const IS_LOOKUP: bool;

    #[doc(hidden)]
    fn endpoint(&self) -> Endpoint;
    #[doc(hidden)]
    fn principal(&self) -> Principal;
    #[doc(hidden)]
    fn idempotency(&self) -> Idempotency;
    #[doc(hidden)]
    fn conversation(&self) -> Option<&ConversationId>;
    /// The operation, unless this is a look-up.
    #[doc(hidden)]
    fn request(&self, context: &Context<'_>) -> Result<Option<RelativeRequest>, InvalidInput>;
    #[doc(hidden)]
    fn parse(&self, response: &ResponseView<'_>) -> Result<Self::Output, ApiRejection>;
    /// The output of a look-up.
    #[doc(hidden)]
    fn look_up(&self, prepared: &Prepared<'_>) -> Option<Self::Output>;
}

mod sealed {
    use super::{AuthorizeApp, IdentifyConsumer, Operation, ResolveDomain};

    #[expect(unnameable_types, reason = "that is what seals the trait above")]
    pub trait Sealed {}

    impl<O: Operation> Sealed for O {}
    impl Sealed for ResolveDomain {}
    impl Sealed for AuthorizeApp {}
    impl Sealed for IdentifyConsumer {}
}

impl<O: Operation> Callable for O {
    type Output = O::Output;

    const NAME: &'static str = O::NAME;
    const RETRY: RetryHints = O::RETRY;
    const IS_LOOKUP: bool = false;

    fn endpoint(&self) -> Endpoint {
        Operation::endpoint(self)
    }

    fn principal(&self) -> Principal {
        Operation::principal(self)
    }

    fn idempotency(&self) -> Idempotency {
        Operation::idempotency(self)
    }

    fn conversation(&self) -> Option<&ConversationId> {
        Operation::conversation(self)
    }

    fn request(&self, context: &Context<'_>) -> Result<Option<RelativeRequest>, InvalidInput> {
        Operation::request(self, context).map(Some)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<O::Output, ApiRejection> {
        Operation::parse(self, response)
    }

    fn look_up(&self, _: &Prepared<'_>) -> Option<O::Output> {
        None
    }
}

macro_rules! lookup {
    ($lookup:ty) => {
        impl Callable for $lookup {
            type Output = <$lookup as Lookup>::Output;

            const NAME: &'static str = <$lookup as Lookup>::NAME;
            const RETRY: RetryHints = RetryHints::NONE;
            const IS_LOOKUP: bool = true;

            fn endpoint(&self) -> Endpoint {
                Lookup::endpoint(self)
            }

            fn principal(&self) -> Principal {
                Lookup::principal(self)
            }

            fn idempotency(&self) -> Idempotency {
                Idempotency::Idempotent
            }

            fn conversation(&self) -> Option<&ConversationId> {
                None
            }

            fn request(&self, _: &Context<'_>) -> Result<Option<RelativeRequest>, InvalidInput> {
                Ok(None)
            }

            fn parse(&self, _: &ResponseView<'_>) -> Result<Self::Output, ApiRejection> {
                Err(ApiRejection::unreadable("a look-up sends no request of its own"))
            }

            fn look_up(&self, prepared: &Prepared<'_>) -> Option<Self::Output> {
                Some(self.output(prepared))
            }
        }
    };
}

lookup!(ResolveDomain);
lookup!(AuthorizeApp);
lookup!(IdentifyConsumer);
