package training.lora.e2e.cluster;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Tests of the profile {@code cluster}. Their constructor takes a {@link RealCluster} or a {@link NodesCluster}, which all
 * classes share; each test makes a namespace of its own.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("cluster")
@ExtendWith({TimeLeft.class, SharedClusters.class})
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@interface ClusterTest {}
