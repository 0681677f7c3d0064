"""The part of KubeRay's RayJob and of a pod that the manifests use, closed, so that a misspelt field is an error.

Names, types and required fields are those of KubeRay's API types (ray.io/v1) and of Kubernetes' pods; KubeRay itself
drops what it does not know without a word.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Capabilities(Closed):
    drop: list[str]


class SeccompProfile(Closed):
    type: Literal["RuntimeDefault"]


class ContainerSecurity(Closed):
    allowPrivilegeEscalation: Literal[False]
    readOnlyRootFilesystem: bool | None = None
    capabilities: Capabilities


class PodSecurity(Closed):
    runAsNonRoot: Literal[True]
    runAsUser: int = Field(gt=0)
    runAsGroup: int = Field(gt=0)
    fsGroup: int | None = Field(default=None, gt=0)
    seccompProfile: SeccompProfile


class Reference(Closed):
    name: str


class EnvFrom(Closed):
    configMapRef: Reference


Quantities = dict[Literal["cpu", "memory", "ephemeral-storage"], str]


class Resources(Closed):
    requests: Quantities
    limits: Quantities


class VolumeMount(Closed):
    name: str
    mountPath: str
    readOnly: bool | None = None


class Container(Closed):
    name: str
    image: str
    envFrom: list[EnvFrom]
    resources: Resources
    securityContext: ContainerSecurity
    volumeMounts: list[VolumeMount]


class Claim(Closed):
    claimName: str
    readOnly: bool | None = None


class EmptyDir(Closed):
    sizeLimit: str | None = None


class KeyPath(Closed):
    key: str
    path: str


class ProjectedReference(Reference):
    items: list[KeyPath] | None = None


class Source(Closed):
    configMap: ProjectedReference


class Projected(Closed):
    sources: list[Source]


class Volume(Closed):
    name: str
    configMap: Reference | None = None
    projected: Projected | None = None
    persistentVolumeClaim: Claim | None = None
    emptyDir: EmptyDir | None = None


class Pod(Closed):
    restartPolicy: Literal["Never"] | None = None
    serviceAccountName: str | None = None
    automountServiceAccountToken: bool | None = None
    securityContext: PodSecurity
    containers: list[Container] = Field(min_length=1, max_length=1)
    volumes: list[Volume]

    @model_validator(mode="after")
    def _mounts_are_volumes(self) -> Self:
        names = {volume.name for volume in self.volumes}
        unknown = {mount.name for container in self.containers for mount in container.volumeMounts} - names
        if unknown:
            raise ValueError(f"mounts without a volume: {sorted(unknown)}")
        return self


class Template(Closed):
    spec: Pod


class Head(Closed):
    rayStartParams: dict[str, str]
    template: Template


class WorkerGroup(Closed):
    groupName: str
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=1)
    rayStartParams: dict[str, str]
    template: Template

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.minReplicas <= self.replicas <= self.maxReplicas:
            raise ValueError("replicas must lie between minReplicas and maxReplicas")
        return self


class Auth(Closed):
    mode: Literal["token"]


class Autoscaler(Closed):
    idleTimeoutSeconds: int = Field(gt=0)
    securityContext: ContainerSecurity


class Cluster(Closed):
    rayVersion: str
    authOptions: Auth
    enableInTreeAutoscaling: bool
    autoscalerOptions: Autoscaler
    headGroupSpec: Head
    workerGroupSpecs: list[WorkerGroup] = Field(min_length=1)


class SubmitterConfig(Closed):
    backoffLimit: int = Field(ge=0)


class Spec(Closed):
    entrypoint: str
    backoffLimit: int = Field(ge=0, le=1)
    submitterConfig: SubmitterConfig
    activeDeadlineSeconds: int = Field(gt=0)
    shutdownAfterJobFinishes: Literal[True]
    ttlSecondsAfterFinished: int = Field(ge=0)
    submitterPodTemplate: Template
    rayClusterSpec: Cluster


class Metadata(Closed):
    name: str | None = Field(default=None, max_length=47)
    generateName: str | None = Field(default=None, max_length=42)
    namespace: str
    labels: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.name is None) == (self.generateName is None):
            raise ValueError("exactly one of name and generateName")
        return self


class RayJob(Closed):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: Spec
