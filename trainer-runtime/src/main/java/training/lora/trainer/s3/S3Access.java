package training.lora.trainer.s3;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProviderChain;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.regions.providers.AwsProfileRegionProvider;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.RefusedAddressException;
import training.lora.trainer.http.Transport;

/**
 * How buckets are reached: from a Secret's keys, else from the environment, the pod's identity or, outside a cluster, the
 * files of AWS' command line.
 *
 * @param field the part of the spec that has the uri, such as {@code spec.output}
 * @param pathStyle whether the bucket is in the path and not in the host's name
 * @param credentials the keys
 * @param keysOf where the keys are from, for messages
 * @param transport how connections are made: guarded where the server is a maker's choice and not the platform's
 * @param endpoint the server; null: AWS
 * @param region null: the server's own, found out by asking
 */
@RecordBuilder
record S3Access(
        String field,
        boolean pathStyle,
        AwsCredentialsProvider credentials,
        String keysOf,
        Transport transport,
        @Nullable URI endpoint,
        @Nullable String region) {
    private static final String KEY = "AWS_ACCESS_KEY_ID";
    private static final String SECRET = "AWS_SECRET_ACCESS_KEY";
    private static final String SESSION = "AWS_SESSION_TOKEN";
    private static final String REGION = "AWS_REGION";
    private static final String ENDPOINT = "AWS_ENDPOINT_URL";

    /** Where one of these is set there should be keys. */
    private static final List<String> IDENTITIES = List.of(
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_PROFILE");

    /**
     * How {@code field} is reached.
     *
     * @param secretName what its {@code secretRef} names; null where it has none
     * @param secret that Secret's keys; empty where there is none, or where this machine's own count
     * @param environment of the process
     */
    static S3Access of(
            String field,
            @Nullable String secretName,
            Map<String, String> secret,
            Function<String, @Nullable String> environment) {
        boolean pod = environment.apply("LORA_PVC_ROOT") != null;
        String own = first(secret.get(ENDPOINT));
        String endpoint = first(own, environment.apply("AWS_ENDPOINT_URL_S3"), environment.apply(ENDPOINT));
        URI server = endpoint == null ? null : server(field, endpoint);
        AddressGuard guard = own == null ? AddressGuard.open() : AddressGuard.of(environment);
        if (server != null) {
            requireOpen(field, secretName, server, guard);
        }
        String region = first(
                secret.get(REGION), environment.apply(REGION), environment.apply("AWS_DEFAULT_REGION"), profile(pod));
        if (region != null && !region.matches("[A-Za-z0-9-]{1,64}")) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s, for `%s`, must be a region's name such as eu-central-1, was %s"
                            .formatted(REGION, uriField(field), region));
        }
        String style = first(environment.apply("LORA_S3_PATH_STYLE"));
        boolean inPath = style != null
                ? Boolean.parseBoolean(style)
                : server != null && !server.getHost().endsWith(".amazonaws.com");
        AwsCredentials keys = secret.isEmpty() ? null : keys(field, secretName, secret);
        String keysOf = keys != null ? "the Secret " + secretName : pod ? "the pod" : "the environment";
        keys = keys != null ? keys : keys(environment);
        boolean meant = secretName != null || IDENTITIES.stream().anyMatch(name -> environment.apply(name) != null);
        return S3AccessBuilder.builder()
                .field(field)
                .pathStyle(inPath)
                .credentials(
                        keys != null
                                ? StaticCredentialsProvider.create(keys)
                                : orAnonymous(
                                        pod
                                                ? ofPod()
                                                : DefaultCredentialsProvider.builder()
                                                        .build(),
                                        meant))
                .keysOf(keysOf)
                .transport(new Transport(environment, guard))
                .endpoint(server)
                .region(region)
                .build();
    }

    /** At once, since it is no outage after which to try again. */
    private static void requireOpen(String field, @Nullable String secretName, URI server, AddressGuard guard) {
        try {
            guard.requireAllowed(server);
            if (guard.guarded()) {
                guard.resolve(server.getHost(), AddressGuard.port(server));
            }
        } catch (RefusedAddressException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s of the Secret %s, which `%s` names, %s"
                            .formatted(ENDPOINT, secretName, field + ".secretRef", e.getMessage()),
                    e);
        } catch (UnknownHostException e) {
            // A request will say so, and may find it known by then.
            return;
        }
    }

    private static @Nullable AwsCredentials keys(
            String field, @Nullable String secretName, Map<String, String> secret) {
        String key = first(secret.get(KEY));
        String value = first(secret.get(SECRET));
        if (key == null && value == null && (secret.containsKey(ENDPOINT) || secret.containsKey(REGION))) {
            return null;
        }
        if (key == null || value == null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s.secretRef` must name a Secret with the keys %s and %s, but %s has no %s"
                            .formatted(field, KEY, SECRET, secretName, key == null ? KEY : SECRET));
        }
        return keys(key, value, secret.get(SESSION));
    }

    /** Those of the environment, which also the SDK would find, but not in a test's. */
    private static @Nullable AwsCredentials keys(Function<String, @Nullable String> environment) {
        String key = first(environment.apply(KEY));
        String value = first(environment.apply(SECRET));
        return key == null || value == null ? null : keys(key, value, environment.apply(SESSION));
    }

    private static AwsCredentials keys(String key, String value, @Nullable String session) {
        return session == null || session.isBlank()
                ? AwsBasicCredentials.create(key, value)
                : AwsSessionCredentials.create(key, value, session);
    }

    /** The first that says something. */
    private static @Nullable String first(@Nullable String... values) {
        for (String value : values) {
            if (value != null && !value.isBlank()) {
                return value.strip();
            }
        }
        return null;
    }

    private static URI server(String field, String endpoint) {
        try {
            URI uri = new URI(endpoint);
            String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
            if (uri.getHost() != null && List.of("http", "https").contains(scheme) && uri.getUserInfo() == null) {
                return uri;
            }
        } catch (URISyntaxException e) {
            // The sentence below says what must hold; the value may have a password in it.
        }
        throw new TrainerException(
                Reason.InvalidConfiguration,
                "%s, for `%s`, must be http:// or https:// with a host and perhaps a port"
                        .formatted(ENDPOINT, uriField(field)));
    }

    private static @Nullable String profile(boolean pod) {
        try {
            return pod ? null : new AwsProfileRegionProvider().getRegion().id();
        } catch (SdkClientException e) {
            return null;
        }
    }

    /** A pod's own, and never its node's, which cloud metadata would give. */
    private static AwsCredentialsProvider ofPod() {
        return AwsCredentialsProviderChain.of(
                WebIdentityTokenFileCredentialsProvider.create(), ContainerCredentialsProvider.create());
    }

    /**
     * Public buckets need no keys.
     *
     * @param meant whether there should be some, so that to go on without them would be wrong
     */
    private static AwsCredentialsProvider orAnonymous(AwsCredentialsProvider chain, boolean meant) {
        return () -> {
            try {
                return chain.resolveCredentials();
            } catch (SdkClientException e) {
                if (meant) {
                    throw e;
                }
                return AnonymousCredentialsProvider.create().resolveCredentials();
            }
        };
    }

    /** Whether there are no keys at all. */
    boolean anonymous() {
        try {
            return credentials.resolveCredentials().accessKeyId() == null;
        } catch (SdkClientException e) {
            return false;
        }
    }

    /** What has the uri: an option is one itself. */
    static String uriField(String field) {
        return option(field) ? field : field + ".uri";
    }

    private static boolean option(String field) {
        return field.startsWith("--");
    }

    /** What must be set to give keys; there is no Secret beside an option. */
    String whereKeysGo() {
        String variables = KEY + " and " + SECRET;
        return option(field) ? variables : "`%s.secretRef`, or %s".formatted(field, variables);
    }

    /** The server, as messages name it. */
    String server() {
        return endpoint == null ? "AWS" : endpoint.getScheme() + "://" + endpoint.getAuthority();
    }
}
