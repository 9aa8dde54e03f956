//! The plain methods of every adapter's client: written once, so that a program changes its runtime by
//! changing an import.

/// Defines the plain methods in an adapter's `impl` block, over its `call`: `[] []` for a blocking
/// client, `[async] [.await]` for an async one. No part of the public API.
#[doc(hidden)]
#[macro_export]
macro_rules! plain_methods {
    ([$($asynchronous:tt)?] [$($wait:tt)*]) => {
        /// Opens a conversation (protocol.md 6).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn open_conversation(
            &self,
            operation: $crate::api::OpenConversation,
        ) -> Result<$crate::connector::Completed<$crate::api::Opened>, $crate::error::Error> {
            self.call(operation) $($wait)*
        }

        /// Sends a text to a conversation's main dialog (protocol.md 7.3).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn send_text(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
            text: impl Into<String>,
        ) -> Result<$crate::connector::Completed<$crate::api::Published>, $crate::error::Error> {
            let text = $crate::api::SendText::new(consumer.clone(), conversation.clone(), text);
            self.call(text) $($wait)*
        }

        /// Tells the agent whether the consumer is typing or there at all (protocol.md 7.5).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn chat_state(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
            state: $crate::api::ChatState,
        ) -> Result<$crate::connector::Completed<$crate::api::Published>, $crate::error::Error> {
            let (consumer, conversation) = (consumer.clone(), conversation.clone());
            self.call($crate::api::SetChatState::new(consumer, conversation, state)) $($wait)*
        }

        /// Closes a conversation (protocol.md 7.8).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn close(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
        ) -> Result<$crate::connector::Completed<()>, $crate::error::Error> {
            let (consumer, conversation) = (consumer.clone(), conversation.clone());
            self.call($crate::api::CloseConversation::new(consumer, conversation)) $($wait)*
        }
    };
}
