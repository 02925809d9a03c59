package training.lora.trainer.s3;

import java.time.Duration;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;

/** Clients of S3, that of AWS and others. */
final class S3Clients {
    private static final Duration CONNECT = Duration.ofSeconds(10);

    /** Without a byte from the server. */
    private static final Duration SILENCE = Duration.ofSeconds(60);

    /** For a request with all that it sends: a part of an upload by a line of 30 KB/s. */
    private static final Duration ATTEMPT = Duration.ofMinutes(5);

    private static final int ATTEMPTS = 6;

    private S3Clients() {}

    /** A client; nothing is asked yet. */
    static S3Client open(S3Access access, Portions portions) {
        Duration delay = portions.retryDelay();
        BackoffStrategy backOff = BackoffStrategy.exponentialDelay(delay, delay.multipliedBy(40));
        S3ClientBuilder builder = S3Client.builder()
                .httpClientBuilder(Apache5HttpClient.builder()
                        .connectionTimeout(CONNECT)
                        .socketTimeout(SILENCE)
                        .dnsResolver(access.transport().addresses())
                        .tlsSocketStrategy(access.transport().tls())
                        .httpRoutePlanner(access.transport().routes())
                        .credentialsProvider(access.transport().credentials()))
                .credentialsProvider(access.credentials())
                .region(Region.of(access.region() == null ? "us-east-1" : access.region()))
                .crossRegionAccessEnabled(access.region() == null)
                .forcePathStyle(access.pathStyle())
                // Checksums after the content are not understood by all servers; Content-MD5 is.
                .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
                .overrideConfiguration(configuration -> configuration
                        .apiCallAttemptTimeout(ATTEMPT)
                        .retryStrategy(AwsRetryStrategy.standardRetryStrategy().toBuilder()
                                .maxAttempts(ATTEMPTS)
                                .backoffStrategy(backOff)
                                .throttlingBackoffStrategy(backOff)
                                .build()));
        if (access.endpoint() != null) {
            builder.endpointOverride(access.endpoint());
        }
        return builder.build();
    }
}
