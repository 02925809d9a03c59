package training.lora.operator;

import io.smallrye.config.WithDefault;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** The part of {@link OperatorConfig} that holds for the stages' pods. An empty value leaves out what has a default. */
public interface PodConfig {
    /** Pod. */
    Pod pod();

    /** Pod templates. */
    PodTemplate podTemplate();

    /**
     * Labels of the nodes with cards, as LABEL=VALUE. They select the nodes for all stages of a run that asks for a card,
     * so that its volume is made where a card is.
     */
    Optional<List<String>> gpuNodeSelector();

    /** Sources that come over a network. */
    Sources sources();

    /** Fields of spec.preparation.captions in JSON: what captions pictures that come without, where a spec names nothing. */
    Optional<String> captioner();

    /** Buckets. */
    S3 s3();

    /** Defaults. */
    Defaults defaults();

    /** Pod. */
    interface Pod {
        /** The user that processes run as; empty: the image's or the cluster's choice. */
        @WithDefault("1001")
        OptionalLong runAsUser();

        /** Its group; empty: the image's or the cluster's choice. */
        @WithDefault("1001")
        OptionalLong runAsGroup();

        /** The group that files of volumes get; empty: the cluster's choice. */
        @WithDefault("1001")
        OptionalLong fsGroup();

        /** Secrets for pulling the image, which have to be in each resource's namespace. */
        Optional<List<String>> imagePullSecrets();
    }

    /** Pod templates. */
    interface PodTemplate {
        /** Fields of a pod's spec that a resource's pod templates may have beside those that are always allowed. */
        Optional<List<String>> allow();
    }

    /** Sources that come over a network. */
    interface Sources {
        /** Where {@code hf://} leads, for a mirror; empty: the Hub itself. */
        Optional<String> hfEndpoint();

        /** The proxy for what isn't in {@code no-proxy}. */
        Optional<String> proxy();

        /** Hosts and domains that are reached without the proxy. */
        Optional<List<String>> noProxy();

        /**
         * A PEM file with authorities that stages' pods trust beside the system's. It is copied into the ConfigMap that
         * tells pods whom to trust, so it needs {@code lora.tls.secret}.
         */
        Optional<String> caBundle();

        /**
         * Hosts, host:port, *.domain and ranges of addresses that may be private or reached by http://, such as a store in
         * the cluster's own network.
         */
        Optional<List<String>> allow();

        /** The most that is downloaded for one source; empty: as the trainer has it. */
        Optional<String> limit();
    }

    /** Buckets, where neither spec nor Secret says so. */
    interface S3 {
        /** The endpoint; empty: Amazon's. */
        Optional<String> endpoint();

        /** The region. */
        Optional<String> region();

        /** Whether a bucket is part of the path and not of the host's name; empty: where the endpoint isn't Amazon's. */
        Optional<Boolean> pathStyle();
    }

    /** Defaults. */
    interface Defaults {
        /** By stage; the values are in application.properties. */
        Stages stages();
    }

    /** By stage. */
    interface Stages {
        /** Prepare. */
        Resources prepare();

        /** Train. */
        Resources train();

        /** Evaluate. */
        Resources evaluate();
    }

    /** A container's resources. */
    interface Resources {
        /** What the scheduler sets aside. */
        Amounts requests();

        /** What may not be exceeded. */
        Amounts limits();
    }

    /** Quantities. */
    interface Amounts {
        /** Processors. */
        Optional<String> cpu();

        /** Memory. */
        Optional<String> memory();

        /** Disk space beside volumes: logs and /tmp. */
        Optional<String> ephemeralStorage();
    }
}
