package training.lora.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;

/** A training of a LoRA for Stable Diffusion, from pictures to an adapter that has been measured. */
@Group("lora.training")
@Version("v1alpha1")
@ShortNames("lt")
@JsonInclude(JsonInclude.Include.NON_NULL)
@ValidationRule(value = "self.metadata.name.size() <= 50", message = "metadata.name must have at most 50 characters")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.baseModel == oldSelf.spec.baseModel",
        message = "spec.baseModel can't change once the run's first container has started")
@ValidationRule(
        value = "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.datasets == oldSelf.spec.datasets",
        message = "spec.datasets can't change once the run's first container has started")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.preparation == oldSelf.spec.preparation",
        message = "spec.preparation can't change once the run's first container has started")
@ValidationRule(
        value = "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.training == oldSelf.spec.training",
        message = "spec.training can't change once the run's first container has started")
@ValidationRule(
        value = "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.sampling == oldSelf.spec.sampling",
        message = "spec.sampling can't change once the run's first container has started")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.evaluation == oldSelf.spec.evaluation",
        message = "spec.evaluation can't change once the run's first container has started")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || (self.spec.output.formats == oldSelf.spec.output.formats && (has(self.spec.output.uri) ? self.spec.output.uri : '') == (has(oldSelf.spec.output.uri) ? oldSelf.spec.output.uri : ''))",
        message = "spec.output can't change once the run's first container has started, but for its secretRef")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.runtime.workspace == oldSelf.spec.runtime.workspace",
        message = "spec.runtime.workspace can't change once the run's first container has started")
@ValidationRule(
        value =
                "!has(oldSelf.status) || !has(oldSelf.status.startTime) || (has(self.spec.runtime.image) ? self.spec.runtime.image : '') == (has(oldSelf.spec.runtime.image) ? oldSelf.spec.runtime.image : '')",
        message = "spec.runtime.image can't change once the run's first container has started")
public class LoraTraining extends CustomResource<LoraTrainingSpec, LoraTrainingStatus> implements Namespaced {}
