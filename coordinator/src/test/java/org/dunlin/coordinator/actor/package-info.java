/** What members are fed, whoever comes and goes. */
package org.dunlin.coordinator.actor;
