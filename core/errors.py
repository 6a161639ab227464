"""Every error that Strokescope raises on purpose.

    StrokescopeError                what happened, and the next step
    ├── BadSettings                 an environment variable that cannot be understood
    ├── SourceError                 where cases come from
    │   ├── BadSource               a source that is not hub:, local: or sample, or a folder that is not there
    │   ├── CaseNotFound            no case of that id in this source
    │   └── ModalityAbsent          the case has no such image
    ├── HubError                    the Hub, seen from here
    │   ├── HubOffline              no network, or HF_HUB_OFFLINE
    │   ├── HubTimeout              no answer within the deadline
    │   ├── HubNotFound             no such repository, revision or file
    │   ├── HubDenied               gated or private
    │   ├── HubRateLimited          too many requests; says when to come back
    │   ├── HubServerError          the Hub answered with a failure of its own
    │   ├── HubNoHeader             an image whose header cannot be read without all of it
    │   └── HubCorrupt              bytes that are not what was promised
    ├── FetchCancelled              the user stopped a transfer
    ├── DiskFull                    no room for the file
    ├── BadVolume                   voxels, affine or header that cannot be an image
    │   └── GridMismatch            two images that do not lie on one grid
    ├── EngineError                 a segmentation that could not be made
    │   ├── BadInput                the images are not what the engine can judge
    │   ├── BadParameter            unknown engine or parameter, or a value out of range
    │   ├── BadModel                a model that cannot be used, or that we refuse to open
    │   ├── EngineAbsent            this machine lacks what the engine runs on
    │   ├── JobCancelled            the user stopped the job
    │   ├── ResultInUse             a kept result that a job works with, or that is on a screen
    │   └── WorkerDied              the worker process ended without a result
    ├── PortInUse                   another program listens where the dashboard should
    ├── OverBudget                  a step that does not fit the container
    ├── Quarantined                 a step that is not begun by itself, because it ended the app or its worker before
    ├── PublishError                a dataset that cannot be published as it was asked
    │   ├── BadTree                 a folder or schema that is not what it was said to be
    │   ├── NotValid                a source whose validation found errors that nobody overrode
    │   ├── BadPlan                 a plan that cannot be made: limits or names that do not fit
    │   ├── StagingForeign          a staging folder of another source, repository, revision, schema or shard count
    │   ├── StagingBusy             another publisher works in this staging folder
    │   ├── StagingDamaged          the staging folder's own record cannot be trusted
    │   ├── ShardDamaged            a shard on disk that is not what was written
    │   ├── SourceChanged           files of the source are not those that were planned or built
    │   ├── NotProven               a shard that the remote has not proven to hold
    │   ├── NotSent                 shards that the Hub did not take, whatever was tried
    │   └── PublishCancelled        the user stopped it; what was made stays
    └── ViewerError                 an image that cannot be put on the screen
        └── ViewerNotBuilt          the browser's part of the viewer is missing

No bare ValueError crosses a layer. The message is one sentence without the next step; `hint` is the next step.
"""

from __future__ import annotations


class StrokescopeError(Exception):
    """What happened (`str(error)`) and what to do about it (`hint`)."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def sentence(self) -> str:
        """One line for a terminal or a log: what happened; what to do."""
        return f"{self}; {self.hint}"


class BadSettings(StrokescopeError):
    """An environment variable cannot be understood."""


class SourceError(StrokescopeError):
    """A source of cases cannot give what was asked."""


class BadSource(SourceError):
    """The source's name or folder is wrong."""


class CaseNotFound(SourceError):
    """No case of that id in this source."""


class ModalityAbsent(SourceError):
    """The case exists, the image does not."""


class HubError(StrokescopeError):
    """The Hub did not give what was asked."""


class HubOffline(HubError):
    """No network, or HF_HUB_OFFLINE is set."""


class HubTimeout(HubError):
    """No answer within the deadline."""


class HubNotFound(HubError):
    """No such repository, revision or file."""


class HubDenied(HubError):
    """The repository is gated or private, or the token is refused."""


class HubRateLimited(HubError):
    """Too many requests.

    Attributes:
        retry_after_s: seconds until the Hub wants to hear from us again.
    """

    def __init__(self, message: str, *, hint: str, retry_after_s: float) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class HubServerError(HubError):
    """The Hub answered with a failure of its own.

    Attributes:
        retry_after_s: seconds until the Hub wants to hear from us again; 0 if it does not say.
        storage_status: of the answer, if it came from where the Hub keeps its files; 0 otherwise.
    """

    def __init__(self, message: str, *, hint: str, retry_after_s: float = 0.0, storage_status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s, self.storage_status = retry_after_s, storage_status


class HubNoHeader(HubError):
    """An image's header cannot be read without fetching the image."""


class HubCorrupt(HubError):
    """The bytes are not what the Hub promised."""


class FetchCancelled(StrokescopeError):
    """The user stopped a transfer."""


class DiskFull(StrokescopeError):
    """The disk has no room for the file."""


class BadVolume(StrokescopeError):
    """Voxels, affine or header cannot be an image."""


class GridMismatch(BadVolume):
    """Two images do not lie on one grid."""


class EngineError(StrokescopeError):
    """A segmentation could not be made."""


class BadInput(EngineError):
    """The images are not what the engine can judge."""


class BadParameter(EngineError):
    """Unknown engine or parameter, or a value out of range."""


class BadModel(EngineError):
    """A model cannot be used, or is refused because opening it could run its code."""


class EngineAbsent(EngineError):
    """This machine lacks what the engine runs on: a GPU, an image, weights, a library."""


class JobCancelled(EngineError):
    """The user stopped the job."""


class ResultInUse(EngineError):
    """A kept result cannot be removed now."""


class WorkerDied(EngineError):
    """The worker process ended without a result."""


class PortInUse(StrokescopeError):
    """Another program listens where the dashboard should."""


class OverBudget(StrokescopeError):
    """A step does not fit the container."""


class Quarantined(StrokescopeError):
    """The app does not begin this step by itself: safe mode."""


class PublishError(StrokescopeError):
    """A dataset cannot be published as it was asked."""


class BadTree(PublishError):
    """The source folder or the schema is not what it was said to be."""


class NotValid(PublishError):
    """The validation found errors that nobody overrode."""


class BadPlan(PublishError):
    """The plan cannot be made: limits or names that do not fit."""


class StagingForeign(PublishError):
    """The staging folder belongs to another source, repository, revision, schema or shard count."""


class StagingBusy(PublishError):
    """Another publisher works in this staging folder."""


class StagingDamaged(PublishError):
    """The staging folder's own record cannot be trusted."""


class ShardDamaged(PublishError):
    """A shard on disk is not what was written."""


class SourceChanged(PublishError):
    """Files of the source are not those that were planned or built."""


class NotProven(PublishError):
    """The remote has not proven to hold this shard, so that it is not freed."""


class NotSent(PublishError):
    """The Hub did not take these shards, whatever was tried."""


class PublishCancelled(PublishError):
    """The user stopped it; what was made stays."""


class ViewerError(StrokescopeError):
    """An image cannot be put on the screen."""


class ViewerNotBuilt(ViewerError):
    """The browser's part of the viewer is missing."""
