//! Faults that a store might have.

/// A fault of the [`Model`](crate::Model): the cases must find each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Plant {
    /// A commit is taken under any fence.
    FenceNotChecked,
    /// A commit is taken from any holder.
    HolderNotChecked,
    /// An extension is taken under any fence and from any holder.
    ExtensionNotChecked,
    /// A lane that was released takes a commit of its last holder.
    ReleaseForgotten,
    /// A commit consumes numbers that no entry has yet.
    ThroughUnbounded,
    /// A commit consumes all entries that are there.
    ConsumesTail,
    /// A commit sets the due time without looking at what was appended meanwhile.
    DueIgnoresTail,
    /// A commit makes the lane due for entries that were seen.
    DueIgnoresSeen,
    /// A term ends a nanosecond early.
    TermEndsEarly,
    /// An entry makes a lane due that is held.
    HeldLaneIsDue,
    /// An entry leaves the due time of a waiting lane as it is.
    WaitingLaneIsNotDue,
    /// An append adds its entries twice.
    EntriesTwice,
    /// An append of several entries leaves a number out.
    NumbersWithGaps,
    /// The newest entries are given first.
    NewestFirst,
    /// The lane that has been due for the shortest time is given first.
    ShortestDueFirst,
    /// A commit without a lease still appends.
    LostCommitAppends,
    /// A commit without a lease still writes its cells.
    LostCommitWritesCells,
    /// A commit forgets its record.
    RecordForgotten,
    /// A commit forgets its entries.
    AppendForgotten,
    /// A commit forgets its cells.
    CellsForgotten,
    /// A commit that is repeated appends again.
    RepeatedCommitAppends,
    /// A commit that is repeated is told that it was lost.
    RepeatedCommitIsLost,
    /// A commit does not change the fence.
    FenceStays,
    /// Each lane counts its fences from 1.
    FenceOfItsOwn,
    /// A lane with a newer record is given to a holder that cannot read it.
    NewerRecordGiven,
    /// A lane that was released counts as taken over.
    ReleasedIsTakenOver,
    /// A lane whose term ended does not count as taken over.
    NeverTakenOver,
    /// The time since the last commit is told as the time since the last claim.
    ElapsedSinceClaim,
    /// A lane is removed with the entries that it has.
    GoneDropsEntries,
    /// A lane is removed, and its record stays.
    GoneKeepsRecord,
    /// A swap is not compared with what was read.
    SwapNotChecked,
    /// A swap that is repeated is told that another one came first.
    RepeatedSwapIsLost,
    /// A cell is given after its life.
    CellLivesOn,
    /// The versions of a cell begin again after its life.
    VersionsBeginAgain,
    /// A cell that is written empty stays.
    EmptyCellStays,
    /// A claim gives all that it is asked for, however large that is.
    ClaimUnbounded,
    /// A list has one lane too many.
    ListTooLong,
    /// The kinds share their lanes.
    KindsShareLanes,
}

impl Plant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::FenceNotChecked,
        Self::HolderNotChecked,
        Self::ExtensionNotChecked,
        Self::ReleaseForgotten,
        Self::ThroughUnbounded,
        Self::ConsumesTail,
        Self::DueIgnoresTail,
        Self::DueIgnoresSeen,
        Self::TermEndsEarly,
        Self::HeldLaneIsDue,
        Self::WaitingLaneIsNotDue,
        Self::EntriesTwice,
        Self::NumbersWithGaps,
        Self::NewestFirst,
        Self::ShortestDueFirst,
        Self::LostCommitAppends,
        Self::LostCommitWritesCells,
        Self::RecordForgotten,
        Self::AppendForgotten,
        Self::CellsForgotten,
        Self::RepeatedCommitAppends,
        Self::RepeatedCommitIsLost,
        Self::FenceStays,
        Self::FenceOfItsOwn,
        Self::NewerRecordGiven,
        Self::ReleasedIsTakenOver,
        Self::NeverTakenOver,
        Self::ElapsedSinceClaim,
        Self::GoneDropsEntries,
        Self::GoneKeepsRecord,
        Self::SwapNotChecked,
        Self::RepeatedSwapIsLost,
        Self::CellLivesOn,
        Self::VersionsBeginAgain,
        Self::EmptyCellStays,
        Self::ClaimUnbounded,
        Self::ListTooLong,
        Self::KindsShareLanes,
    ];
}
