package org.dunlin.it.architecture;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTag;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.Architectures;
import java.util.Set;

/** The arrows between modules, who may import which library, and what a pure core may not call. */
@ArchTag("architecture")
@AnalyzeClasses(packages = "org.dunlin", importOptions = ImportOption.DoNotIncludeTests.class)
class RoomsTest {

  @ArchTest
  static final ArchRule MODULES_USE_ONLY_WHAT_IS_ABOVE_THEM =
      Architectures.layeredArchitecture()
          .consideringOnlyDependenciesInLayers()
          .layer("protocol")
          .definedBy("org.dunlin.protocol..")
          .layer("data-stream")
          .definedBy("org.dunlin.data..")
          .layer("worker")
          .definedBy("org.dunlin.worker..")
          .layer("coordinator")
          .definedBy("org.dunlin.coordinator..")
          .layer("conf")
          .definedBy("org.dunlin.conf..")
          .whereLayer("conf")
          .mayNotBeAccessedByAnyLayer()
          .whereLayer("coordinator")
          .mayOnlyBeAccessedByLayers("conf")
          .whereLayer("worker")
          .mayOnlyBeAccessedByLayers("conf")
          .whereLayer("data-stream")
          .mayOnlyBeAccessedByLayers("worker", "coordinator", "conf");

  @ArchTest
  static final ArchRule COMPUTE_ENGINE_STAYS_IN_ITS_ROOMS =
      noClasses()
          .that()
          .resideOutsideOfPackages("org.dunlin.worker..", "org.dunlin.data.tokens..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl..")
          .because("only a worker computes, and data-stream uses no more of DJL than tokenizers");

  @ArchTest
  static final ArchRule COLLECTIVES_AND_MEMBER_KNOW_NO_ENGINE =
      noClasses()
          .that()
          .resideInAnyPackage("org.dunlin.worker.collective..", "org.dunlin.worker.member..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl..");

  @ArchTest
  static final ArchRule ACTORS_LIVE_IN_SHELLS =
      noClasses()
          .that()
          .resideOutsideOfPackages(
              "org.dunlin.protocol.message..",
              "org.dunlin.protocol.wire..",
              "org.dunlin.data.feed..",
              "org.dunlin.worker.copy..",
              "org.dunlin.worker.member..",
              "org.dunlin.coordinator.actor..",
              "org.dunlin.coordinator.checkpoint..",
              "org.dunlin.coordinator.model..",
              "org.dunlin.conf.launch..",
              "org.dunlin.it.benchmark..") // one has actors in the workers' place
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.apache.pekko..");

  @ArchTest
  static final ArchRule TENSORS_TRAVEL_ONLY_BETWEEN_COLLECTIVES =
      noClasses()
          .that()
          .resideOutsideOfPackage("org.dunlin.worker.collective..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.aeron..");

  private static final Set<String> PURE =
      Set.of(
          "org.dunlin.coordinator.step.",
          "org.dunlin.coordinator.feed.",
          "org.dunlin.coordinator.report.",
          "org.dunlin.data.plan.",
          "org.dunlin.data.state.",
          "org.dunlin.protocol.run.",
          "org.dunlin.protocol.frame.",
          "org.dunlin.protocol.batch.");

  @ArchTest
  static final ArchRule PURE_CORES_KNOW_NO_CLOCK_THREAD_OR_CHANCE =
      noClasses()
          .that(
              DescribedPredicate.describe(
                  "are a pure core",
                  type ->
                      PURE.stream().anyMatch(room -> (type.getPackageName() + ".").startsWith(room))
                          || (type.getSimpleName().startsWith("Member")
                              && type.getPackageName().equals("org.dunlin.worker.member"))))
          .should()
          .callMethodWhere(
              DescribedPredicate.describe(
                  "a clock, a sleep or chance",
                  (JavaCall<?> call) -> {
                    String target = call.getTargetOwner().getName() + "." + call.getName();
                    return Set.of(
                            "java.lang.System.nanoTime",
                            "java.lang.System.currentTimeMillis",
                            "java.time.Instant.now",
                            "java.lang.Math.random",
                            "java.lang.Thread.sleep",
                            "java.util.UUID.randomUUID")
                        .contains(target);
                  }))
          .orShould()
          .dependOnClassesThat(resideInAnyPackage("java.nio.channels..", "java.net.."));

  @ArchTest
  static final ArchRule NO_ROOM_IS_NAMED_FOR_NOTHING =
      classes()
          .should()
          .resideOutsideOfPackages(
              "..util..", "..common..", "..helper..", "..manager..", "..impl..")
          .andShould()
          .haveSimpleNameNotEndingWith("Util")
          .andShould()
          .haveSimpleNameNotEndingWith("Helper")
          .andShould()
          .haveSimpleNameNotEndingWith("Manager")
          .andShould()
          .haveSimpleNameNotEndingWith("Impl");

  @ArchTest
  static final ArchRule FEATURES_DO_NOT_FORM_CIRCLES =
      slices().matching("org.dunlin.(*).(*)..").should().beFreeOfCycles();
}
