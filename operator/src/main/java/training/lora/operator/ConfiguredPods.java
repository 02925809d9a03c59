package training.lora.operator;

import io.fabric8.kubernetes.api.model.Quantity;
import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.PlatformCaptioner;
import training.lora.api.ResourcesSpec;
import training.lora.api.Stage;
import training.lora.operator.plan.PodSettings;
import training.lora.operator.plan.PodSettingsBuilder;

/** The settings of pods as the plan has them; a value that can't be ends the start of the operator. */
public final class ConfiguredPods {
    private ConfiguredPods() {}

    /** What {@code config} says. */
    public static PodSettings of(OperatorConfig config) {
        PodConfig.Stages stages = config.defaults().stages();
        return PodSettingsBuilder.builder()
                .imagePullSecrets(config.pod().imagePullSecrets().orElse(List.of()))
                .gpuNodeSelector(labels(config.gpuNodeSelector().orElse(List.of())))
                .allowedPodFields(Set.copyOf(config.podTemplate().allow().orElse(List.of())))
                .captionerSecrets(config.captioner()
                        .map(captioner ->
                                PlatformCaptioner.secrets(PlatformCaptioner.read("lora.captioner", captioner)))
                        .orElse(Set.of()))
                .environment(environment(config))
                .defaultResources(Map.of(
                        Stage.Prepare, resources(Stage.Prepare, stages.prepare()),
                        Stage.Train, resources(Stage.Train, stages.train()),
                        Stage.Evaluate, resources(Stage.Evaluate, stages.evaluate())))
                .user(number(config.pod().runAsUser()))
                .group(number(config.pod().runAsGroup()))
                .fsGroup(number(config.pod().fsGroup()))
                .authorities(config.tls().secret().isPresent() ? config.tls().configMap() : null)
                .build();
    }

    /** What stages' trainers are told of the platform's network. */
    private static Map<String, String> environment(OperatorConfig config) {
        PodConfig.Sources sources = config.sources();
        Map<String, String> variables = new TreeMap<>();
        sources.hfEndpoint().ifPresent(url -> variables.put("HF_ENDPOINT", url("lora.sources.hf-endpoint", url)));
        sources.proxy().ifPresent(proxy -> {
            String url = url("lora.sources.proxy", proxy);
            variables.put("HTTPS_PROXY", url);
            variables.put("HTTP_PROXY", url);
        });
        sources.noProxy().ifPresent(hosts -> variables.put("NO_PROXY", String.join(",", hosts)));
        sources.allow().ifPresent(hosts -> variables.put("LORA_SOURCES_ALLOW", String.join(",", hosts)));
        sources.limit()
                .ifPresent(limit -> variables.put(
                        "LORA_SOURCES_LIMIT",
                        quantity("lora.sources.limit", limit).toBigInteger().toString()));
        if (sources.caBundle().isPresent()) {
            if (config.tls().secret().isEmpty()) {
                throw new IllegalArgumentException(
                        "`lora.sources.ca-bundle` needs `lora.tls.secret`: pods are told both by one ConfigMap");
            }
            variables.put("LORA_CA_BUNDLE", PodSettings.CA_BUNDLE);
        }
        config.captioner().ifPresent(captioner -> variables.put("LORA_CAPTIONER", captioner));
        PodConfig.S3 s3 = config.s3();
        s3.endpoint().ifPresent(url -> variables.put("AWS_ENDPOINT_URL", url("lora.s3.endpoint", url)));
        s3.region().ifPresent(region -> variables.put("AWS_REGION", region));
        s3.pathStyle().ifPresent(inPath -> variables.put("LORA_S3_PATH_STYLE", inPath.toString()));
        return variables;
    }

    private static String url(String setting, String value) {
        if (!value.matches("https?://[^/?#@\\s]+(/\\S*)?")) {
            throw new IllegalArgumentException(
                    "`%s` must be a URL such as https://host:8080, without a password, was \"%s\""
                            .formatted(setting, value));
        }
        return value;
    }

    private static @Nullable Long number(OptionalLong number) {
        return number.isPresent() ? number.getAsLong() : null;
    }

    private static Map<String, String> labels(List<String> pairs) {
        Map<String, String> labels = new TreeMap<>();
        for (String pair : pairs) {
            int equals = pair.indexOf('=');
            if (equals <= 0) {
                throw new IllegalArgumentException(
                        "`lora.gpu-node-selector` must be a list of LABEL=VALUE, had \"%s\"".formatted(pair));
            }
            labels.put(
                    pair.substring(0, equals).strip(),
                    pair.substring(equals + 1).strip());
        }
        return labels;
    }

    private static ResourcesSpec resources(Stage stage, PodConfig.Resources resources) {
        String path = "lora.defaults.stages." + stage.name().toLowerCase(Locale.ROOT);
        return new ResourcesSpec(
                amounts(path + ".requests", resources.requests()), amounts(path + ".limits", resources.limits()));
    }

    private static Map<String, String> amounts(String path, PodConfig.Amounts amounts) {
        Map<String, String> quantities = new TreeMap<>();
        add(quantities, path, "cpu", amounts.cpu());
        add(quantities, path, "memory", amounts.memory());
        add(quantities, path, "ephemeral-storage", amounts.ephemeralStorage());
        return quantities;
    }

    private static void add(Map<String, String> to, String path, String name, Optional<String> quantity) {
        quantity.ifPresent(text -> {
            quantity(path + "." + name, text);
            to.put(name, text);
        });
    }

    private static BigDecimal quantity(String setting, String text) {
        try {
            return Quantity.getAmountInBytes(new Quantity(text));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new IllegalArgumentException(
                    "`%s` must be a quantity such as 2 or 8Gi, was \"%s\"".formatted(setting, text), e);
        }
    }
}
