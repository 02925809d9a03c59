package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.PodSecurityContext;
import io.fabric8.kubernetes.api.model.PodSecurityContextBuilder;
import io.fabric8.kubernetes.api.model.SecurityContext;
import io.fabric8.kubernetes.api.model.SecurityContextBuilder;

/** What a stage's pod may do: what the restricted Pod Security Standard asks for, and a root file system that can't be written. */
final class PodSecurity {
    private PodSecurity() {}

    static PodSecurityContext pod(PodSettings settings) {
        return new PodSecurityContextBuilder()
                .withRunAsNonRoot(true)
                .withRunAsUser(settings.user())
                .withRunAsGroup(settings.group())
                .withFsGroup(settings.fsGroup())
                // Otherwise every start goes through all files of a volume, and a model or data set may have many.
                .withFsGroupChangePolicy(settings.fsGroup() == null ? null : "OnRootMismatch")
                .withNewSeccompProfile()
                .withType("RuntimeDefault")
                .endSeccompProfile()
                .build();
    }

    static SecurityContext container() {
        return new SecurityContextBuilder()
                .withAllowPrivilegeEscalation(false)
                .withReadOnlyRootFilesystem(true)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .build();
    }
}
