package org.dunlin.conf.command;

import picocli.CommandLine.IVersionProvider;

/** This build's version, which the build writes into a resource. */
public final class Version implements IVersionProvider {

  /** As {@code 0.1.0}. */
  public static String number() {
    return org.dunlin.conf.launch.Version.CURRENT;
  }

  @Override
  public String[] getVersion() {
    return new String[] {
      "Dunlin " + number(),
      "Java " + Runtime.version() + " (" + System.getProperty("java.vendor") + ")",
    };
  }
}
